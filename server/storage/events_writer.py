"""Reference path of the events writer: one batch into rows and levels, in plain SQL.

The server stores by `events_fast_path`, which reaches the same with statements that cost less; a
property test (tests/database/storage) holds both to the same rows and the same counts.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from server.events.columns import NAMES
from server.rollups import maintainer
from server.rollups.levels import IS_NULL_SENDER
from server.rollups.mail import detail_sql, sql
from server.storage.same_event import (
    IS_STORED,
    NEAR_REPLACED,
    REMOVE_GUESSED,
    REMOVE_GUESSES_BESIDE,
    REMOVE_GUESSES_OVERTAKEN,
    REPLACED_WITHIN,
    SAME_EVENT_WITHIN,
    SET_APART_FROM_STAGED,
    SET_APART_FROM_STORED,
    STAGED_ONCE,
    STAGING,
    near,
)

COLUMNS = ", ".join(NAMES)
#: One writer at a time between the look for known events and the commit: the unique key has the
#: time in it, so two sources that date one event differently could otherwise both be stored.
WRITER_LOCK = 0x6D616C6C617264
LOCK_WRITERS = f"SELECT pg_advisory_xact_lock({WRITER_LOCK})"

CREATE_STAGING = f"""CREATE TEMPORARY TABLE IF NOT EXISTS {STAGING}
  (LIKE email_events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"""
COPY_STAGING = f"COPY {STAGING} ({COLUMNS}) FROM STDIN"
#: What a batch that was accepted before a column existed lacks at the end of each line.
PADDING = "\t\\N"

#: How far apart the times of numbers that came before may be: the clock that dated them may have
#: been set meanwhile, by the hours of a time zone, or its times have been corrected since.
REPEATED_WITHIN = timedelta(days=1)
#: A bucket begins up to a minute before its events.
BUCKETS, BUCKETS_REPLACED = (
    near(within + timedelta(minutes=1), "bucket") for within in (timedelta(), REPLACED_WITHIN)
)

#: The staged outcomes that a report staged beside them replaces, and those whose report is stored.
REMOVE_BESIDE = f"""DELETE FROM {STAGING}
WHERE certainty = 'inferred' AND (event_id, mta_node) IN (
  SELECT replaces, mta_node FROM {STAGING} WHERE replaces IS NOT NULL)"""  # noqa: S608
REMOVE_OVERTAKEN = f"""DELETE FROM {STAGING}
WHERE certainty = 'inferred' AND (event_id, mta_node) IN (
  SELECT replaces, mta_node FROM email_events AS stored
  WHERE replaces IS NOT NULL AND {NEAR_REPLACED})"""  # noqa: S608
#: The stored outcomes that staged reports replace. Of its own node only: a key speaks for one. An
#: array, so that the index of ids is read for these alone.
REMOVE_REPLACED = f"""DELETE FROM email_events AS stored
WHERE event_id = ANY (ARRAY(
    SELECT replaces FROM {STAGING} WHERE replaces IS NOT NULL AND certainty = 'reported'))
  AND certainty = 'inferred' AND {NEAR_REPLACED}
  AND (event_id, mta_node) IN (
    SELECT replaces, mta_node FROM {STAGING} WHERE replaces IS NOT NULL)"""  # noqa: S608
INSERT_NEW = f"""INSERT INTO email_events ({COLUMNS})
SELECT {COLUMNS} FROM {STAGED_ONCE} AS staged
WHERE NOT {IS_STORED}"""  # noqa: S608 (names from columns.py only)


#: The times of a batch, and how far apart the times of one event may be.
Span = Mapping[str, datetime | str]


class NewEvents(NamedTuple):
    """Number of events of one kind, in one second, stored for the first time."""

    second: datetime
    direction: str
    event_type: str
    is_null_sender: bool
    events: int


def insert_events(lines: Sequence[str], *, repeated: bool = False) -> list[NewEvents]:
    """Store COPY lines once, whatever came before; count the new ones, and return them by second.

    `repeated`: whether some came before, perhaps with other times. Must run inside the transaction
    that stores the batch. Raises django.db.Error.
    """
    levels = maintainer.written_levels()
    with connection.cursor() as cursor:
        cursor.execute(LOCK_WRITERS)
        span = stage(cursor, lines, repeated=repeated)
        cursor.execute(REMOVE_BESIDE)
        cursor.execute(REMOVE_GUESSES_BESIDE)
        cursor.execute(REMOVE_OVERTAKEN, span)
        _collect(cursor, "replaced_events", REMOVE_REPLACED, "stored", span)
        cursor.execute(REMOVE_GUESSES_OVERTAKEN, span)
        _collect(cursor, "guessed_events", REMOVE_GUESSED, "stored", span)
        cursor.execute(SET_APART_FROM_STORED, span)
        cursor.execute(SET_APART_FROM_STAGED)
        _collect(cursor, "new_events", INSERT_NEW, "email_events", span)
        removals = [
            sql.write(levels, removed, within=BUCKETS_REPLACED, is_removal=True)
            for removed in ("replaced_events", "guessed_events")
        ]
        for change in (*removals, sql.write(levels, "new_events", within=BUCKETS)):
            cursor.execute(f"WITH {change} SELECT", span)
        for changed in ("replaced_events", "guessed_events", "new_events"):
            cursor.execute(detail_sql.mark(changed))
        cursor.execute(count_by_second("new_events"))
        return [NewEvents(*row) for row in cursor.fetchall()]


def _collect(cursor: CursorWrapper, table: str, change: str, changed: str, span: Span) -> None:
    """Make a temporary table of the rows that a statement removes or inserts."""
    cursor.execute(
        f"CREATE TEMPORARY TABLE {table} (LIKE email_events INCLUDING DEFAULTS) ON COMMIT DROP"
    )
    columns = ", ".join(f"{changed}.{name}" for name in NAMES)
    cursor.execute(
        f"WITH changed AS ({change} RETURNING {columns})"  # noqa: S608 (names from columns.py only)
        f" INSERT INTO {table} ({COLUMNS}) SELECT * FROM changed",
        span,
    )


def stage(cursor: CursorWrapper, lines: Iterable[str], *, repeated: bool = False) -> Span:
    """Copy COPY lines into this session's staging table; return the times they span, or may have
    had when they came before.

    Must run inside the transaction that stores them. Raises django.db.Error for a line PostgreSQL
    refuses.
    """
    cursor.execute(CREATE_STAGING)
    # psycopg2's own cursor: Django has no COPY, nor does it then translate the errors.
    with connection.wrap_database_errors:
        cursor.cursor.copy_expert(COPY_STAGING, io.StringIO("\n".join(_pad(lines)) + "\n"))
    cursor.execute(f"SELECT min(occurred_at), max(occurred_at) FROM {STAGING}")  # noqa: S608
    oldest, newest = cursor.fetchone()
    margin = REPEATED_WITHIN if repeated else timedelta()
    within_s = max(margin, SAME_EVENT_WITHIN).total_seconds()
    return {"oldest": oldest - margin, "newest": newest + margin, "within": f"{within_s:.0f} s"}


def _pad(lines: Iterable[str]) -> Iterator[str]:
    """Give lines of a shorter table their missing columns. A tab in a value is not a tab here."""
    last = len(NAMES) - 1
    for line in lines:
        missing = last - line.count("\t")
        yield line + PADDING * missing if missing > 0 else line


def count_by_second(rows: str) -> str:
    """Return the statement that counts the events of relation `rows` as NewEvents."""
    return f"""SELECT date_trunc('second', occurred_at), direction, event_type, {IS_NULL_SENDER},
  count(*)
FROM {rows} GROUP BY 1, 2, 3, 4"""  # noqa: S608 (names from the declaration only)
