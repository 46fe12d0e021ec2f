"""Fast path of ingest requests: the paths it takes are those of the URL configuration."""

from django.http import HttpResponse
from django.test import RequestFactory

from server.ingest.middleware import IngestFastPath
from server.metrics.wire import SAMPLES


def test_the_fast_path_knows_every_path_that_agents_send_to():
    paths = set(IngestFastPath(lambda _: HttpResponse())._views)

    assert paths == {
        "/api/v1/events/ingest",
        "/api/v1/nodes",
        *(f"/api/v1/metrics/{kind}" for kind in SAMPLES),
    }


def test_what_is_read_at_the_same_path_is_passed_on():
    passed = []
    fast_path = IngestFastPath(lambda request: passed.append(request) or HttpResponse())

    for request in (RequestFactory().get("/api/v1/nodes"), RequestFactory().post("/login/")):
        fast_path(request)

    assert [request.path for request in passed] == ["/api/v1/nodes", "/login/"]
