"""The only writer of the levels: rows and counts in one transaction, so that they always agree."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from server.ledger import store as ledger
from server.ledger.merge import Numbered
from server.rollups import maintainer
from server.rollups.levels import IS_NULL_SENDER, ONE_MINUTE, Level
from server.rollups.mail import sql
from server.storage import events_writer as events
from server.storage import retraction

#: One writer at a time between looking for what is stored and committing: the unique key has the
#: time in it, so of two sources that date an event differently, told at once, both would be stored.
WRITER_LOCK = 0x6D616C6C617264
#: What the staged rows add to each level, in this session until its commit.
COUNTED = "counted_email_stats"
CREATE_COUNTED = f"""CREATE TEMPORARY TABLE IF NOT EXISTS {COUNTED}
  (level text, LIKE {ONE_MINUTE.table}) ON COMMIT DELETE ROWS"""


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
    levels = maintainer.written_levels()
    ordered, repeats = events.in_key_order(lines)
    span = events.stage(ordered)
    is_plain = not repeats and events.are_plain(ordered)
    with connection.cursor() as cursor:
        if is_plain:
            cursor.execute(events.PLAN_AS_PROBES)
            new = _count_ahead(cursor, levels)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WRITER_LOCK])
        if is_plain:
            if not events.any_is_stored(span):
                _execute_prepared(cursor, _insertion_of_all(levels))
                return new
        else:
            if events.take_out_replaced(ordered, span):
                cursor.execute(_correction(levels), span)
            cursor.execute(events.PLAN_AS_PROBES)
        cursor.execute(_insertion_of_new(levels, repeats), span)
        return [NewEvents(*row) for row in cursor.fetchall()]


def _count_ahead(cursor: CursorWrapper, levels: tuple[Level, ...]) -> list[NewEvents]:
    """Count what is staged as if all of it were new, which it mostly is, before the lock is asked
    for: another writer stores meanwhile. Return it by second."""
    cursor.execute(CREATE_COUNTED)
    _execute_prepared(cursor, _counting(levels))
    cursor.execute(_by_second(events.STAGING))
    return [NewEvents(*row) for row in cursor.fetchall()]


def _execute_prepared(cursor: CursorWrapper, statement: str) -> None:
    """Run a statement this session has planned before, if it is the same: planning takes longer
    than what a small batch needs. Looked for each time, as a pooler may give another session."""
    name = f"mallard_{hashlib.sha256(statement.encode()).hexdigest()[:16]}"
    cursor.execute("SELECT FROM pg_prepared_statements WHERE name = %s", [name])
    if not cursor.rowcount:
        cursor.execute(f"PREPARE {name} AS {statement}")
    cursor.execute(f"EXECUTE {name}")


@cache
def _counting(levels: tuple[Level, ...]) -> str:
    counted = " UNION ALL ".join(
        f"SELECT '{level.name}', {sql.COLUMNS} FROM of_{level.name}"  # noqa: S608
        for level in levels
    )
    return f"""WITH {sql.write(levels, events.STAGING, into=())}
INSERT INTO {COUNTED} (level, {sql.COLUMNS}) {counted}"""


@cache
def _insertion_of_all(levels: tuple[Level, ...]) -> str:
    """Return what inserts all that is staged, and adds what was counted ahead to `levels`."""
    additions = ",\n".join(
        f"into_{level.name} AS (\n{sql.upsert(level, _counted(level))}\n)" for level in levels
    )
    return f"WITH {additions}\n{events.INSERT_ALL}"


def _counted(level: Level) -> str:
    return f"(SELECT * FROM {COUNTED} WHERE level = '{level.name}') AS counted"  # noqa: S608


@cache
def _correction(levels: tuple[Level, ...]) -> str:
    return retraction.statement(levels)


@cache
def _insertion_of_new(levels: tuple[Level, ...], repeats: bool) -> str:
    """Return what inserts what is new, adds exactly that to `levels`, and answers it by second."""
    return f"""WITH fresh AS (
{events.insert_new(repeats=repeats)}
RETURNING {", ".join(sql.RAW_COLUMNS)}
),
{sql.write(levels, "fresh")}
{_by_second("fresh")}"""


def _by_second(rows: str) -> str:
    return f"""SELECT date_trunc('second', occurred_at), direction, event_type, {IS_NULL_SENDER},
  count(*)
FROM {rows} GROUP BY 1, 2, 3, 4"""  # noqa: S608 (names from the declaration only)
