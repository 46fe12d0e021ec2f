"""The reference path and the fast path store the same rows, the same counts, the same ledger."""

from datetime import UTC, datetime, timedelta
from unittest import mock
from uuid import UUID

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from server.events.columns import NAMES
from server.events.mapping import to_line
from server.ledger.merge import NumberedBatch
from server.rollups import maintainer
from server.rollups.levels import KEY, LEVELS, MEASURES
from server.rollups.mail import sql
from server.storage import events_fast_path, events_writer
from server.storage.transaction import write_events

pytestmark = pytest.mark.usefixtures("committing_database")

START = datetime(2026, 11, 21, 23, 10, 7, 228_000, tzinfo=UTC)
IDS = [UUID(int=n << 64 | n) for n in range(1, 9)]
COUNT = st.none() | st.integers(0, 500_000)

#: Each id is one event, whichever source reports it: its fields belong to the id. Unless another
#: node sends the id: then the event is that node's, or both of a queue that they share.
FIELDS = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(["delivered", "deferred", "bounced", "rejected", "stored"]),
        "direction": st.sampled_from(["inbound", "outbound", "mailbox"]),
        "queue_id": st.sampled_from([None, "1a1f", "2b2e"]),
        "queue_seq": st.sampled_from([None, "001"]),
        "to_address": st.sampled_from([None, "to@good.example"]),
        "from_address": st.sampled_from([None, "<>", "a@corp.example", "tab\tand\\slash@x"]),
        "from_domain": st.sampled_from([None, "corp.example"]),
        "to_domain": st.sampled_from([None, "good.example", "bad.example"]),
        "sending_ip": st.sampled_from([None, "192.0.2.7", "2001:db8::1"]),
        "zone": st.sampled_from([None, "default"]),
        "bounce_type": st.sampled_from([None, "hard"]),
        "bounce_category": st.sampled_from([None, "spam"]),
        "spam_action": st.sampled_from([None, "add header"]),
        "auth_user": st.sampled_from([None, "user@corp.example"]),
        "account": st.sampled_from([None, "6929f0b1c2d3e4f5a6b7c8aa"]),
        "provider": st.sampled_from([None, "Microsoft 365", "good.example"]),
        "bounce_class": st.sampled_from([None, "rate", "policy"]),
        "reply_fingerprint": st.sampled_from([None, "0123456789abcdef", "fedcba9876543210"]),
        "message_size_bytes": COUNT,
        "delivery_time_ms": COUNT,
        #: Of a report only: the inferred outcome whose place it takes.
        "replaces": st.none() | st.sampled_from(IDS),
    }
)
OFFSETS = st.sampled_from(
    [
        timedelta(),
        timedelta(seconds=3),
        timedelta(minutes=50),
        timedelta(minutes=70),
        timedelta(hours=2),
        timedelta(days=1),
        timedelta(days=5),
    ]
)
NODES = st.sampled_from(["mta-01", "mta-01", "mta-02"])
EVENTS = st.tuples(
    st.integers(0, len(IDS) - 1), st.sampled_from(["reported", "inferred"]), OFFSETS, NODES
)
BATCHES = st.lists(st.lists(EVENTS, max_size=10), min_size=1, max_size=4)
PLAIN = {"event_type": "delivered", "direction": "outbound"}
NUMBERED = PLAIN | {"queue_id": "1a1f", "queue_seq": "001", "to_address": "to@good.example"}
BOUNCE = NUMBERED | {"event_type": "bounced"}
GUESS, OTHERS = (0, "inferred", timedelta(), "mta-02"), (1, "reported", timedelta())
REPORT = PLAIN | {"event_type": "bounced", "replaces": IDS[0]}


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(FIELDS, min_size=len(IDS), max_size=len(IDS)), BATCHES)
@example([PLAIN] * 3, [[(n, "reported", timedelta(hours=n)) for n in range(3)]] * 2)
@example([PLAIN, REPORT], [[(0, "inferred", timedelta())], [(1, "reported", timedelta(hours=2))]])
@example([PLAIN, REPORT], [[(1, "reported", timedelta())], [(0, "inferred", timedelta(hours=2))]])
@example([PLAIN, REPORT], [[(0, "inferred", timedelta()), (1, "reported", timedelta())]])
@example([NUMBERED, BOUNCE], [[GUESS], [OTHERS]])
@example([NUMBERED, BOUNCE], [[OTHERS], [GUESS]])
@example([NUMBERED, BOUNCE], [[GUESS, OTHERS]])
@example([NUMBERED], [[GUESS], [(0, "reported", timedelta())]])
@example([PLAIN], [[(0, "reported", timedelta(), node)] for node in ("mta-02", "mta-01")] * 2)
@example([PLAIN], [[(0, "reported", timedelta(), node) for node in ("mta-02", "mta-01")]] * 2)
@example([PLAIN], [[(0, "reported", timedelta(hours=n)) for n in range(3)]] * 2)
def test_both_paths_store_the_same(fields, batches):
    lines = [[line(fields, *event) for event in batch] for batch in batches]

    reference, fast = (
        stored_by(path, lines)
        for path in (events_writer.insert_events, events_fast_path.insert_events)
    )

    assert fast == reference
    assert reference["levels"] == reference["counted again"]


def line(fields, place, certainty, offset, node="mta-01"):
    row = fields[place] | {
        "mta_node": node,
        "event_id": IDS[place],
        "occurred_at": START + offset,
        "certainty": certainty,
        "source": "zonemta_plugin" if certainty == "reported" else "change_stream",
    }
    if certainty == "inferred":
        row["replaces"] = None
    return to_line(row)


def stored_by(insert_events, batches):
    """Store batches by one path, each in its transaction; return all that is there afterwards."""
    empty()
    with mock.patch("server.storage.transaction.insert_events", insert_events):
        answers = [
            sorted(write_events(lines, [make_batch(first_seq=10 * n, count=len(lines))]))
            for n, lines in enumerate(batches)
        ]
    return {
        "answers": answers,
        "rows": rows(f"SELECT {', '.join(NAMES)} FROM email_events"),
        "levels": {level.name: counts(level.table) for level in LEVELS},
        "counted again": {
            level.name: counts(f"({sql.aggregate(level, 'email_events')})") for level in LEVELS
        },
        "ledger": rows("SELECT node, epoch, received::text, repeated_count FROM ledger_epoch"),
        "collisions": rows("SELECT events, last_node FROM event_id_collisions"),
    }


def make_batch(*, first_seq, count):
    return NumberedBatch(
        node="mta-01", epoch="one", first_seq=first_seq, count=count, refused=0, received_at=START
    )


def empty():
    with transaction.atomic(), connection.cursor() as cursor:
        tables = [level.table for level in maintainer.written_levels()]
        for table in ["email_events", "event_id_collisions", "ledger_epoch", *tables]:
            cursor.execute(f"DELETE FROM {table}")


def counts(relation):
    """Return the rows of a level that count anything: a retraction leaves zeros behind."""
    measures = ", ".join(sql.number(m, "counted") for m in MEASURES)
    return rows(f"SELECT {', '.join(KEY)}, {measures} FROM {relation} AS counted WHERE events <> 0")


def rows(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return sorted(cursor.fetchall(), key=repr)
