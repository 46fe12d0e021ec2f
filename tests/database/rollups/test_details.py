"""Details are what their raw rows give, whatever came, in any order, and however often."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction

from server.events.mapping import to_line
from server.rollups import rebuild
from server.rollups.levels import DETAILS, LEVELS, OTHER
from server.rollups.mail import detail_sql, details, replies
from server.storage import events_fast_path, events_writer
from server.storage.transaction import write_events
from server.timescale.rows import fetch_rows
from tests.factories import row, write

pytestmark = pytest.mark.usefixtures("committing_database")

DAY = datetime(2026, 11, 21, tzinfo=UTC)
NOW = DAY + timedelta(days=1)
AT = DAY + timedelta(hours=10)
MINUTE = timedelta(minutes=1)
REFUSAL = {
    "event_type": "deferred",
    "provider": "Microsoft 365",
    "bounce_class": "rate",
    "reply_fingerprint": "0123456789abcdef",
    "sending_ip": "192.0.2.7",
    "auth_user": "alice@corp.example",
    "occurred_at": AT,
}


def count():
    """Count what is due as if it had waited."""
    return details.count_all(NOW)


def read(table="email_stats_1m"):
    """Return events by dimension and value of the details that count anything."""
    rows = fetch_rows(
        f"SELECT dimension, value, sum(events)::int FROM {table}"
        f" WHERE dimension IN ({detail_sql.NAMES}) AND events <> 0 GROUP BY 1, 2"
    )
    return {(dimension, value): events for dimension, value, events in rows}


def differences():
    return sum(each.different for each in rebuild.verify(DAY, DAY, now=NOW))


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_counts_each_detail_of_a_refusal(level):
    write(row(**REFUSAL), row(**REFUSAL))

    count()

    assert read(level.table) == {
        ("provider", "Microsoft 365"): 2,
        ("bounce_class", "rate"): 2,
        ("account", "alice@corp.example"): 2,
        ("provider_ip", "Microsoft 365 192.0.2.7"): 2,
        ("provider_reply", "Microsoft 365 0123456789abcdef"): 2,
    }


def test_what_has_no_value_is_left_out_and_so_are_inbound_mail_and_notices():
    write(
        row(occurred_at=AT),
        row(**REFUSAL | {"direction": "inbound"}),
        row(**REFUSAL | {"from_address": "<>"}),
    )

    count()

    assert read() == {}


def test_late_mail_is_added_to_what_was_counted():
    write(row(**REFUSAL))
    count()
    write(row(**REFUSAL), row(**REFUSAL | {"occurred_at": AT + 70 * MINUTE}))
    count()

    assert read("email_stats_daily")["provider", "Microsoft 365"] == 3
    assert differences() == 0


def test_counting_twice_changes_nothing():
    write(row(**REFUSAL))
    count()
    counted = read("email_stats_daily")
    write_events([to_line(row(**REFUSAL | {"event_id": UUID(int=1)}))] * 2)
    count()
    write_events([to_line(row(**REFUSAL | {"event_id": UUID(int=1)}))])
    with transaction.atomic():
        details.count_minutes([AT], now=NOW)

    assert read("email_stats_daily") == dict.fromkeys(counted, 2)


@pytest.mark.parametrize("path", [events_writer, events_fast_path])
def test_a_report_takes_the_inferred_outcome_out_of_the_details(path, monkeypatch):
    monkeypatch.setattr("server.storage.transaction.insert_events", path.insert_events)
    guess = REFUSAL | {"event_id": UUID(int=7), "certainty": "inferred", "source": "change_stream"}
    write(row(**guess))
    count()
    assert read()["provider", "Microsoft 365"] == 1

    write(row(**REFUSAL | {"provider": "Google", "replaces": UUID(int=7)}))
    count()

    assert ("provider", "Microsoft 365") not in read()
    assert read("email_stats_daily")["provider", "Google"] == 1
    assert differences() == 0


def test_the_largest_of_a_minute_are_named_and_the_rest_are_counted_together(monkeypatch):
    monkeypatch.setitem(DETAILS, "provider_reply", (DETAILS["provider_reply"][0], 2))
    for fingerprint, times in (("a" * 16, 3), ("b" * 16, 2), ("c" * 16, 1), ("d" * 16, 1)):
        write(*(row(**REFUSAL | {"reply_fingerprint": fingerprint}) for _ in range(times)))

    count()

    replies = {value: n for (name, value), n in read().items() if name == "provider_reply"}
    assert replies == {f"Microsoft 365 {'a' * 16}": 3, f"Microsoft 365 {'b' * 16}": 2, OTHER: 2}
    assert differences() == 0


def test_a_value_that_becomes_large_later_is_named_then(monkeypatch):
    monkeypatch.setitem(DETAILS, "provider_reply", (DETAILS["provider_reply"][0], 1))
    write(*(row(**REFUSAL | {"reply_fingerprint": "a" * 16}) for _ in range(2)))
    count()
    write(*(row(**REFUSAL | {"reply_fingerprint": "b" * 16}) for _ in range(3)))
    count()

    replies = {value: n for (name, value), n in read().items() if name == "provider_reply"}
    assert replies == {f"Microsoft 365 {'b' * 16}": 3, OTHER: 2}


def test_the_running_minute_waits_until_it_is_over_and_nobody_writes_to_it():
    write(row(**REFUSAL))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE email_stats_due SET marked_at = %s", [AT + MINUTE / 2])

    assert details.count_due(AT + MINUTE / 2) == 0
    assert details.count_due(AT + MINUTE + details.SETTLED) == 1
    assert details.count_due(AT + MINUTE + details.SETTLED) == 0
    assert read()["provider", "Microsoft 365"] == 1


def test_a_minute_that_is_written_to_all_the_time_is_counted_after_a_while():
    write(row(**REFUSAL))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE email_stats_due SET marked_at = %s", [AT])
        cursor.execute("INSERT INTO email_stats_due VALUES (%s, %s)", [AT, AT + details.MAX_WAIT])

    assert details.count_due(AT + details.MAX_WAIT) == 1


def test_a_rebuild_counts_the_details_anew():
    write(row(**REFUSAL), row(**REFUSAL | {"occurred_at": AT + 5 * MINUTE}))
    count()
    counted = read("email_stats_1h")
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE email_stats_1m SET events = 9 WHERE dimension IN ({detail_sql.NAMES})"
        )
    assert differences() > 0

    list(rebuild.rebuild(DAY, DAY, now=NOW))

    assert read("email_stats_1h") == counted
    assert differences() == 0


def test_minutes_past_retention_lose_their_mark_and_keep_their_counts():
    write(row(**REFUSAL))
    count()
    write(row(**REFUSAL))

    details.count_all(NOW + timedelta(days=4_000))

    assert fetch_rows("SELECT count(*) FROM email_stats_due") == [(0,)]
    assert read()["provider", "Microsoft 365"] == 1


REPLY = "451 4.7.500 Server busy. Please try again later from [192.0.2.7]"


def table():
    return fetch_rows(
        "SELECT fingerprint, example, bounce_class, first_seen_at, last_seen_at FROM replies"
        " ORDER BY 1"
    )


def test_replies_are_kept_once_with_their_first_and_last_time():
    write(row(**REFUSAL, bounce_message=REPLY))
    count()
    later = REFUSAL | {"occurred_at": AT + 70 * MINUTE}
    write(row(**later, bounce_message=REPLY), row(**REFUSAL, bounce_message=REPLY))
    count()
    count()

    assert table() == [("0123456789abcdef", REPLY, "rate", AT, AT + 70 * MINUTE)]


def test_a_flood_of_texts_fills_the_table_by_so_many_a_minute_the_most_frequent_first(monkeypatch):
    monkeypatch.setattr(replies, "MAX_OF_MINUTE", 2)
    write(*(row(**REFUSAL, bounce_message=REPLY) for _ in range(2)))
    write(
        *(row(**REFUSAL | {"reply_fingerprint": f"{n:016x}"}, bounce_message="x") for n in range(9))
    )

    count()

    assert [fingerprint for fingerprint, *_ in table()] == [f"{0:016x}", "0123456789abcdef"]


def test_the_replies_seen_last_are_kept(monkeypatch):
    monkeypatch.setattr(replies, "MAX_REPLIES", 2)
    for n in range(4):
        fields = {"reply_fingerprint": f"{n:016x}", "occurred_at": AT + n * MINUTE}
        write(row(**REFUSAL | fields, bounce_message=REPLY))
    count()

    assert replies.delete_old(NOW) == 2

    assert [fingerprint for fingerprint, *_ in table()] == [f"{2:016x}", f"{3:016x}"]
    assert replies.delete_old(NOW + timedelta(days=4_000)) == 2
