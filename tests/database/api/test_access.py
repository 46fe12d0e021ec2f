"""Permissions of the read API, and the parameters of a range."""

import pytest
from django.test import Client, RequestFactory
from django.urls import resolve

from server.api.urls import urlpatterns
from server.nodes.models import ApiKey, Node

pytestmark = pytest.mark.django_db
SHARED_WITH_INGEST = {"/api/v1/nodes", "/api/v1/metrics/system"}
#: Parameters that a query must have.
REQUIRED = {
    "email-queue-share": "?node=mta-01",
    "email-profile": "?of=ip&name=192.0.2.7",
    "routes-preview": "?rule=cpu_high",
    "trace-api": "?id=1a1fd92f960000a951",
    "trace-messages": "?to_address=user@example.com",
}
PATHS = [
    "/api/v1/"
    + (str(pattern.pattern) + REQUIRED.get(pattern.name, ""))
    .replace("<str:name>", "mta-01")
    .replace("<int:pk>", "1")
    .replace("<uuid:event_id>", "a6e612ff-3ae6-55ff-b3b7-aaf16d8eae41")
    for pattern in urlpatterns
    if pattern.name not in {"health", "ready", "rules-preview"}  # the last only takes a POST
]


def headers(scope, node=None):
    return {"authorization": f"Bearer {ApiKey.issue(name='x', scope=scope, node=node)[1]}"}


@pytest.mark.parametrize("path", PATHS)
def test_everything_is_read_with_a_session_or_a_read_key_and_nothing_without(
    path, client: Client, admin_client: Client
):
    node = Node.objects.create(name="mta-01")

    with_key = client.get(path, headers=headers("read"))
    with_session = admin_client.get(path)

    assert with_key.status_code == with_session.status_code
    assert with_key.status_code in {200, 404}
    assert client.get(path, headers=headers("read", node)).status_code == with_key.status_code
    assert client.get(path).status_code == 401
    for scope in ("agent", "webhook"):
        assert client.get(path, headers=headers(scope)).status_code == 403
    wrong = {"authorization": "Bearer mlrd_000000000000_0"}
    assert admin_client.get(path, headers=wrong).status_code == 401
    revoked = headers("read")
    ApiKey.objects.update(revoked_at="2026-01-01T00:00:00Z")
    assert client.get(path, headers=revoked).status_code == 401


def test_a_read_key_sends_nothing(post, golden):
    key = headers("read")["authorization"].removeprefix("Bearer ")

    assert post("nodes", golden("node.json"), key=key).status_code == 403
    assert post("nodes", golden("node.json")).status_code == 200


@pytest.mark.parametrize("path", sorted(SHARED_WITH_INGEST))
def test_one_address_serves_those_who_read_and_those_who_send(path):
    view = resolve(path).func

    get, post, put = (
        view(getattr(RequestFactory(), method)(path)) for method in ("get", "post", "put")
    )

    assert get.data["detail"].startswith("Authentication credentials")  # the read API's words
    assert post.data["detail"].startswith("No key")  # the ingest endpoint's
    assert (put.status_code, put["Allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-11-21T08:00:00"}, "from"),  # no offset
        ({"from": "yesterday"}, "from"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"from": "2026-11-21T08:00:00Z", "to": "2026-11-21T07:00:00Z"}, "range"),
        ({"from": "2026-11-22T08:00:00Z"}, "range"),  # not come yet
        ({"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}, "range"),
        ({"from": "2026-11-01T00:00:00Z", "width": "1m"}, "range"),  # too many
        ({"to": "2026-11-21T07:00:00Z"}, "range"),
        ({"range": "1h", "from": "2026-11-21T07:00:00Z"}, "range"),
        ({"range": "5y"}, "range"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": "Europe"}, "tz"),
        ({"tz": "../../etc/passwd"}, "tz"),
        ({"by": "node", "limit": 101}, "limit"),
        ({"by": "node", "limit": 100, "width": "5m", "range": "24h"}, "limit"),
        ({"by": "subject"}, "by"),
        ({"direction": "sideways"}, "direction"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(expect_refusal, query, field):
    assert field in expect_refusal("email/throughput", **query)


def test_offsets_are_understood_and_a_plus_may_have_become_a_space(get_json):
    query = {"from": "2026-11-21T10:00:00 01:00", "to": "2026-11-21T11:00:00+02:00"}

    assert get_json("email/throughput", **(query | {"to": "2026-11-21T11:30:00+01:00"}))[
        "start"
    ] == ("2026-11-21T09:00:00Z")


def test_past_retention_the_answer_begins_where_counts_begin_and_is_marked_cut(get_json):
    answer = get_json("email/throughput", **{"from": "2020-01-01T00:00:00Z"})

    assert answer["cut"]
    assert answer["start"] == "2024-11-22T00:00:00Z"
    assert answer["buckets"][0]["start"] == answer["start"]


def test_the_day_on_which_clocks_go_back_has_25_hours(get_json):
    answer = get_json(
        "email/throughput",
        **{"from": "2026-10-20T00:00:00+02:00", "to": "2026-10-30T00:00:00+01:00"},
        tz="Europe/Berlin",
    )

    starts = [bucket["start"] for bucket in answer["buckets"]]
    assert starts[0] == "2026-10-19T22:00:00Z"
    assert "2026-10-24T22:00:00Z" in starts
    assert "2026-10-25T23:00:00Z" in starts
