"""Nodes and their readings."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import resolve
from rest_framework.test import APIRequestFactory, force_authenticate

from server.metrics.models import SystemSample
from server.nodes.models import Node
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def sample(node, at, **readings):
    values = dict.fromkeys(
        [f.name for f in SystemSample._meta.fields if f.name not in {"id", "node", "time"}], 0
    )
    values |= {"cpu_core_percents": [1.0], "net_rx_bytes_sec": None} | readings
    SystemSample.objects.bulk_create([SystemSample(node=node, time=at, **values)])


@pytest.fixture
def get_past_middleware(admin_user, at_now):
    """Return the answer of a view, called past the middleware."""

    def get(path, **query):
        request = APIRequestFactory().get(f"/api/v1/{path}", query)
        force_authenticate(request, admin_user)
        reply = resolve(f"/api/v1/{path}").func(request).render()
        return json.loads(reply.content)

    return get


@pytest.fixture
def nodes():
    made = [
        Node.objects.create(name="mta-01", last_seen_at=NOW - timedelta(seconds=5)),
        Node.objects.create(name="mta-02", last_seen_at=NOW - timedelta(minutes=5)),
        Node.objects.create(name="mta-03"),
    ]
    sample(made[0], NOW - timedelta(minutes=10, seconds=5), cpu_percent=20.0)
    sample(made[0], NOW - timedelta(minutes=10), cpu_percent=40.0)
    sample(made[1], NOW - timedelta(minutes=30), cpu_percent=90.0)
    return made


def test_every_node_with_how_long_it_has_been_silent(get_json, get_past_middleware, nodes):
    by_name = {node["name"]: node for node in get_past_middleware("nodes")["nodes"]}

    assert {name: (node["online"], node["silent_s"]) for name, node in by_name.items()} == {
        "mta-01": (True, 5.0),
        "mta-02": (False, 300.0),
        "mta-03": (False, None),
    }
    assert get_json("nodes/mta-02") == by_name["mta-02"]


def test_readings_are_means_and_buckets_without_samples_are_marked(get_json, nodes):
    answer = get_json("nodes/mta-01/metrics", range="1h")

    (series,) = answer["series"]
    assert answer["width_s"] == 60
    assert len(series["buckets"]) == 61
    (bucket,) = [bucket for bucket in series["buckets"] if bucket["samples"]]
    assert bucket["start"] == "2026-11-21T09:57:00Z"
    assert (bucket["samples"], bucket["cpu_percent"], bucket["cpu_percent_max"]) == (2, 30.0, 40.0)
    assert bucket["net_rx_bytes_sec"] is None
    assert all(b["cpu_percent"] is None for b in series["buckets"] if not b["samples"])


def test_readings_of_all_nodes_or_of_one(get_past_middleware, nodes):
    assert [one["node"] for one in get_past_middleware("metrics/system", range="1h")["series"]] == [
        "mta-01",
        "mta-02",
    ]
    assert [
        one["node"] for one in get_past_middleware("metrics/system", node="mta-02")["series"]
    ] == ["mta-02"]


def test_a_node_without_samples_has_empty_buckets_and_an_unknown_one_is_404(
    get_json, nodes, admin_client: Client
):
    (series,) = get_json("nodes/mta-03/metrics")["series"]

    assert not any(bucket["samples"] for bucket in series["buckets"])
    assert admin_client.get("/api/v1/nodes/nobody").status_code == 404
    assert admin_client.get("/api/v1/nodes/nobody/metrics").status_code == 404


def test_before_retention_the_answer_is_cut(get_past_middleware, nodes):
    answer = get_past_middleware(
        "metrics/system", **{"from": "2024-11-01T00:00:00Z", "to": "2024-12-30T00:00:00Z"}
    )

    assert answer["cut"]
    assert answer["start"] == "2024-11-22T00:00:00Z"
    long_ago = {"from": "2023-01-01T00:00:00Z", "to": "2023-01-02T00:00:00Z"}
    assert "range" in get_past_middleware("metrics/system", **long_ago)


def test_where_samples_are_gone_a_level_is_read(get_past_middleware, nodes):
    answer = get_past_middleware(
        "metrics/system", **{"from": "2026-08-01T00:30:00Z", "to": "2026-08-01T01:30:00Z"}
    )

    assert (answer["level"], answer["width_s"], answer["cut"]) == ("1h", 3600, False)
    assert answer["start"] == "2026-08-01T00:00:00Z"
