"""The only writer of the levels: rows and counts in one transaction, so that they always agree."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from django.db import connection, transaction

from server.events import store as events
from server.ledger import store as ledger
from server.ledger.store import Numbered
from server.rollups import correction, keeping, sql
from server.rollups.declaration import IS_NULL_SENDER, Level

#: One writer at a time between looking for what is stored and committing: the unique key has the
#: time in it, so of two sources that date an event differently, told at once, both would be stored.
WRITER_LOCK = 0x6D616C6C617264


class NewEvents(NamedTuple):
    """How many events of one kind, in one second, were stored for the first time."""

    second: datetime
    direction: str
    event_type: str
    is_null_sender: bool
    events: int


def write_events(lines: Sequence[str], numbered: Sequence[Numbered] = ()) -> list[NewEvents]:
    """Store COPY lines once, whatever came before, count the new ones, and enter their numbers.

    Safe to run twice. Raises django.db.Error, and then has stored nothing.
    """
    with transaction.atomic():
        new = _insert(lines) if lines else []
        ledger.record(numbered)
    return new


def _insert(lines: Sequence[str]) -> list[NewEvents]:
    levels = keeping.written_levels()
    ordered, repeats = events.in_key_order(lines)
    span = events.stage(ordered)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITER_LOCK])
        if events.take_out_replaced(lines, span):
            cursor.execute(_correction(levels), span)
        cursor.execute(events.PLAN_AS_PROBES)
        cursor.execute(_statement(levels, repeats), span)
        return [NewEvents(*row) for row in cursor.fetchall()]


@cache
def _correction(levels: tuple[Level, ...]) -> str:
    return correction.statement(levels)


@cache
def _statement(levels: tuple[Level, ...], repeats: bool) -> str:
    """Return what inserts what is new, adds exactly that to `levels`, and answers it by second."""
    return f"""WITH fresh AS (
{events.insert_new(repeats=repeats)}
RETURNING {", ".join(sql.RAW_COLUMNS)}
),
{sql.write(levels, "fresh")}
SELECT date_trunc('second', occurred_at), direction, event_type, {IS_NULL_SENDER}, count(*)
FROM fresh GROUP BY 1, 2, 3, 4"""  # noqa: S608 (names from the declaration only)
