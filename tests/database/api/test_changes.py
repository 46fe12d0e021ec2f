"""The read API's answers about changes of nodes."""

from datetime import timedelta

import pytest

from server.nodes import store
from server.nodes.models import Node
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def test_what_happened_in_a_range_is_reported_oldest_first(get_json):
    node = Node.objects.create(name="mta-01", last_seen_at=NOW)
    store.record_starts([store.Start(node.pk, "zonemta", NOW - timedelta(minutes=20))])
    store.record_silence(node.pk, NOW - timedelta(minutes=30), NOW - timedelta(minutes=25))

    answer = get_json("changes", range="1h")

    assert answer["cut"] is False
    assert [(each["node"], each["kind"], each["subject"]) for each in answer["changes"]] == [
        ("mta-01", "silent", "host"),
        ("mta-01", "started", "zonemta"),
    ]
    assert answer["changes"][1]["at"] == (NOW - timedelta(minutes=20)).isoformat().replace(
        "+00:00", "Z"
    )
    assert get_json("changes", range="1h", node="mta-02")["changes"] == []


def test_a_node_that_is_silent_now_has_a_silence_without_an_end(get_json):
    Node.objects.create(name="mta-02", last_seen_at=NOW - timedelta(minutes=3))

    (change,) = get_json("changes")["changes"]
    assert (change["kind"], change["ended_at"]) == ("silent", None)
