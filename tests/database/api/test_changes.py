"""The read API's answers about changes of nodes."""

from datetime import timedelta

import pytest

from server.alerts.blocks.models import Block
from server.alerts.models import Alert, Incident
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


def open_incident(started_at, subject, node="", **values):
    one = Incident.objects.create(
        cause="x", severity="critical", text=f"{subject} fails", started_at=started_at,
        joined_at=started_at, **values,
    )  # fmt: skip
    Alert.objects.create(
        rule="x", severity="critical", kind="node", subject=subject, node=node, state="firing",
        since=started_at, started_at=started_at, fired_at=started_at, incident=one,
    )  # fmt: skip
    return one


def test_incidents_and_blocks_are_among_the_changes_with_their_pages(
    get_json, django_assert_max_num_queries
):
    began = NOW - timedelta(minutes=20)
    node = open_incident(began, "mta-01", "mta-01", ended_at=NOW - timedelta(minutes=10))
    other = open_incident(began + timedelta(minutes=1), "a.example")
    open_incident(NOW - timedelta(hours=3), "old", ended_at=NOW - timedelta(hours=2))
    block = Block.objects.create(
        kind="ip", provider="gmail", subject="192.0.2.7", started_at=began + timedelta(minutes=2),
        found_at=NOW, refused_at=NOW, permanent_at=NOW, refused_count=9, taken_count=0,
    )  # fmt: skip

    with django_assert_max_num_queries(6):
        changes = get_json("changes", range="1h")["changes"]

    assert [(each["kind"], each["number"], each["node"], each["text"]) for each in changes] == [
        ("incident", node.pk, "mta-01", "mta-01 fails"),
        ("incident", other.pk, "", "a.example fails"),
        ("block", block.pk, "", "gmail blocks 192.0.2.7"),
    ]
    assert changes[0]["ended_at"] is not None
    of_node = get_json("changes", range="1h", node="mta-01")["changes"]
    assert [each["number"] for each in of_node] == [node.pk]
    of_name = {each["number"] for each in get_json("changes", range="1h", name="gmail")["changes"]}
    assert of_name == {block.pk}
