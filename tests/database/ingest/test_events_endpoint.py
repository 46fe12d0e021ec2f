"""Answers of the ingest endpoint for events, and the entries that then wait in the inbox."""

import zlib
from datetime import datetime

import pytest
import time_machine
from django.test import override_settings

from server.ingest.inbox import EVENTS
from server.nodes.models import ApiKey

pytestmark = pytest.mark.django_db


def waiting() -> int:
    return sum(row.entry.count for row in EVENTS.read("test", count=100, block_ms=None))


def test_one_event_an_array_and_a_numbered_batch_are_taken(post, event):
    bodies = [event(), [event(), event()], {"epoch": "e", "first_seq": 7, "events": [event()]}]

    answers = [post("events/ingest", body) for body in bodies]

    assert [a.status_code for a in answers] == [202, 202, 202]
    assert [a.json()["queued"] for a in answers] == [1, 2, 1]
    assert waiting() == 4


def test_the_golden_batch_is_taken(post, golden):
    batch = golden("events_batch.json")
    latest = max(event["occurred_at"] for event in batch["events"])
    with time_machine.travel(datetime.fromisoformat(latest)):  # later they are too old to be taken
        answer = post("events/ingest", batch)

    assert answer.json() == {"queued": len(batch["events"]), "rejected": []}


def test_the_number_of_a_batch_travels_with_it(post, event):
    post("events/ingest", {"epoch": "e-1", "first_seq": 7, "events": [event()]})

    ((_, entry, _),) = EVENTS.read("test", count=1, block_ms=None)
    assert (entry.node, entry.epoch, entry.first_seq) == ("mta-01", "e-1", 7)


def test_one_event_of_another_node_than_the_keys_refuses_all_and_acknowledges_nothing(post, event):
    events = [event(), event(mta_node="mta-02"), event(event_type="exploded")]

    for body in ({"epoch": "e-1", "first_seq": 7, "events": events}, events[:2]):
        answer = post("events/ingest", body)

        assert answer.status_code == 403
        assert (answer.json()["key_node"], answer.json()["node"]) == ("mta-01", "mta-02")
        assert not answer.json().keys() & {"queued", "rejected"}
    assert EVENTS.length() == 0


@pytest.mark.parametrize("path", ["events/ingest", "metrics/redis"])
def test_an_item_of_another_node_is_403_even_where_the_rest_of_it_cannot_be_read(post, path):
    """What `doctor` sends to find a key of another node."""
    name = "mta_node" if path == "events/ingest" else "node_id"
    answer = post(path, [{name: "mta-02"}])

    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_node")
    assert post(path, [{name: "mta-01"}]).status_code == 422


def test_gzip_is_unpacked(post, event):
    assert post("events/ingest", [event()], pack=True).status_code == 202


def test_one_bad_event_among_a_hundred_is_refused_alone_with_its_index(post, event):
    events = [event() for _ in range(100)]
    events[42]["event_type"] = "exploded"

    answer = post("events/ingest", events)

    assert answer.status_code == 202
    body = answer.json()
    assert body["queued"] == 99
    assert [r["index"] for r in body["rejected"]] == [42]
    assert "event_type" in body["rejected"][0]["error"]
    assert waiting() == 99


def test_when_nothing_is_valid_the_answer_is_422_with_the_reasons(post):
    answer = post("events/ingest", [{"event_id": "x"}, 5])

    assert answer.status_code == 422
    assert [r["index"] for r in answer.json()["rejected"]] == [0, 1]
    assert waiting() == 0


@pytest.mark.parametrize("body", [b"not json", b"", b"{", b'{"events": 5}', b"\xff\xfe", b"[1,"])
def test_what_cannot_be_read_is_400(post, body):
    answer = post("events/ingest", body)

    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_an_empty_array_is_taken_as_nothing(post):
    assert post("events/ingest", []).json() == {"queued": 0, "rejected": []}


def test_a_deeply_nested_body_is_400_not_a_crash(post):
    assert post("events/ingest", b"[" * 100_000).status_code == 400


def test_a_gzip_bomb_of_50_mb_is_413(post):
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(b" " * 50_000_000) + packer.flush()

    answer = post("events/ingest", bomb, **{"content-encoding": "gzip"})

    assert answer.status_code == 413
    assert "unpacks to more than" in answer.json()["detail"]


@override_settings(INGEST_MAX_WIRE_BYTES=1000, DATA_UPLOAD_MAX_MEMORY_SIZE=1001)
def test_a_body_over_the_wire_limit_is_413(post):
    assert post("events/ingest", b"x" * 1001).status_code == 413
    assert post("events/ingest", b"x" * 5000).status_code == 413


@override_settings(INGEST_MAX_EVENTS=2)
def test_too_many_events_are_413(post, event):
    assert post("events/ingest", [event()] * 3).status_code == 413


def test_a_gzip_body_that_is_none_is_400_and_another_encoding_415(post):
    encoded = {"content-encoding": "gzip"}
    assert post("events/ingest", b"plain", **encoded).status_code == 400
    assert post("events/ingest", b"\x1f\x8b\x08\x00cut", **encoded).status_code == 400
    assert post("events/ingest", b"x", **{"content-encoding": "br"}).status_code == 415


def test_no_key_and_wrong_keys_are_401(post, event, agent_key):
    wrong_secret = agent_key[:-1] + ("0" if agent_key[-1] != "0" else "1")
    for key in ("", "nonsense", "mlrd_000000000000_00", wrong_secret):
        answer = post("events/ingest", event(), key=key)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"


def test_the_key_may_stand_in_x_api_key(post, event, agent_key):
    answer = post("events/ingest", event(), key="", **{"x-api-key": agent_key})

    assert answer.status_code == 202


def test_a_key_of_another_scope_is_403(post, event, node):
    _, reader = ApiKey.issue(name="reader", scope="read", node=node)
    _, webhook = ApiKey.issue(name="webhook", scope="webhook", node=node)

    assert post("events/ingest", event(), key=reader).status_code == 403
    assert post("events/ingest", event(), key=webhook).status_code == 202
    assert post("nodes", {}, key=webhook).status_code == 403


@override_settings(INBOX_MAX_ENTRIES=1)
def test_a_full_inbox_is_503_with_a_time_to_retry_after(post, event):
    assert post("events/ingest", event()).status_code == 202

    answer = post("events/ingest", event())

    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert waiting() == 1


@override_settings(INBOX_MAX_BYTES=1500)
def test_an_inbox_over_its_bytes_is_503_until_some_are_stored(post, event):
    big = [event(status_message="x" * 400) for _ in range(3)]
    assert post("events/ingest", big).status_code == 202
    assert post("events/ingest", big).status_code == 503

    EVENTS.acknowledge(EVENTS.read("test", count=10, block_ms=None))

    assert (EVENTS.length(), EVENTS.size_bytes()) == (0, 0)
    assert post("events/ingest", big).status_code == 202


def test_without_redis_the_answer_is_503(post, event):
    vars(EVENTS).pop("client", None)
    with override_settings(INBOX_REDIS_URL="redis://127.0.0.1:1"):
        answer = post("events/ingest", event())
    vars(EVENTS).pop("client", None)

    assert answer.status_code == 503
    assert "Retry-After" in answer
