"""The only writer of email_events: a staging table, and the SQL that takes what is new in it."""

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from django.db import connection

from server.events.columns import NAMES

STAGING = "staged_email_events"
_COLUMNS = ", ".join(NAMES)
_ID = NAMES.index("event_id")
#: One staging table per database session, emptied by each commit.
CREATE_STAGING = f"""CREATE TEMPORARY TABLE IF NOT EXISTS {STAGING}
  (LIKE email_events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"""
#: What a batch that was accepted before a column existed lacks at the end of each line.
PADDING = "\t\\N"
COPY_STAGING = f"COPY {STAGING} ({_COLUMNS}) FROM STDIN"
#: How far from the times of a batch another source may date the same event: the plugin stamps when
#: it hears of it, the change stream says what MongoDB wrote. The unique index needs equal times.
SAME_EVENT_WITHIN = "1 hour"

#: How the look for known events is to be made: one probe of the unique index for each staged row.
#: Left to itself the planner joins with all that the last hour stored, which grows and grows, and
#: TimescaleDB wraps each probe in a node of its own that costs three times the probe.
#: The memory is for the rows on their way through the statement; more of them go to the disk.
PLAN_AS_PROBES = """SET LOCAL work_mem = '64MB'; SET LOCAL timescaledb.enable_chunk_append = off;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
SET LOCAL enable_bitmapscan = off; SET LOCAL enable_material = off;
SET LOCAL enable_memoize = off"""

_ONCE = f"""(
  SELECT DISTINCT ON (event_id) {_COLUMNS} FROM {STAGING}
  ORDER BY event_id, certainty = 'inferred', occurred_at
)"""  # noqa: S608 (names from columns.py only)


#: The bounds are literals so that TimescaleDB leaves out all chunks but those of the batch when it
#: plans. The two inequalities say nothing new but to the planner, which without statistics (a new
#: chunk has none) thinks of equal ids as one row in 200, and then of an index of times as good.
_IS_STORED = f"""EXISTS (
  SELECT FROM email_events AS stored
  WHERE stored.event_id = staged.event_id
    AND stored.event_id >= staged.event_id AND stored.event_id <= staged.event_id
    AND stored.occurred_at BETWEEN %(oldest)s::timestamptz - interval '{SAME_EVENT_WITHIN}'
                               AND %(newest)s::timestamptz + interval '{SAME_EVENT_WITHIN}')"""
ANY_IS_STORED = f"SELECT EXISTS (SELECT FROM {STAGING} AS staged WHERE {_IS_STORED})"  # noqa: S608
INSERT_ALL = f"INSERT INTO email_events ({_COLUMNS}) SELECT {_COLUMNS} FROM {STAGING}"  # noqa: S608


def insert_new(*, repeats: bool) -> str:
    """Return the statement that inserts the staged rows that are new, one for each event.

    `repeats`: an id may be staged twice; of two that tell of the same event the reported one is
    kept, then the earlier. Without, rows go in as they were staged (see `in_key_order`).

    There is no ON CONFLICT: one writer at a time is between this look and its commit, and trying
    each row before it is written costs a twelfth of all. Were one stored meanwhile by other hands,
    the unique index refuses the batch, and its second try finds the row.
    """
    return f"""INSERT INTO email_events ({_COLUMNS})
SELECT {_COLUMNS} FROM {_ONCE if repeats else STAGING} AS staged
WHERE NOT {_IS_STORED}"""  # noqa: S608 (names from columns.py only)


#: How a line of an inferred outcome ends: certainty and replaces are the last columns.
INFERRED_END = f"\tinferred{PADDING}"
#: How long after an inferred outcome its report may come: as long as an agent remembers it.
REPLACED_WITHIN = "3 days"
_NEAR = f"""stored.occurred_at BETWEEN %(oldest)s::timestamptz - interval '{REPLACED_WITHIN}'
                             AND %(newest)s::timestamptz + interval '{REPLACED_WITHIN}'"""
#: The staged outcomes that a report staged beside them replaces, and those whose report is stored.
REMOVE_BESIDE = f"""DELETE FROM {STAGING}
WHERE certainty = 'inferred' AND (event_id, mta_node) IN (
  SELECT replaces, mta_node FROM {STAGING} WHERE replaces IS NOT NULL)"""  # noqa: S608
REMOVE_OVERTAKEN = f"""DELETE FROM {STAGING}
WHERE certainty = 'inferred' AND (event_id, mta_node) IN (
  SELECT replaces, mta_node FROM email_events AS stored
  WHERE replaces IS NOT NULL AND {_NEAR})"""  # noqa: S608
#: The stored outcomes that staged reports replace. Of its own node only: a key speaks for one. An
#: array, so that the index of ids is asked for these alone.
REMOVE_REPLACED = f"""DELETE FROM email_events AS stored
WHERE event_id = ANY (ARRAY(
    SELECT replaces FROM {STAGING} WHERE replaces IS NOT NULL AND certainty = 'reported'))
  AND certainty = 'inferred' AND {_NEAR}
  AND (event_id, mta_node) IN (
    SELECT replaces, mta_node FROM {STAGING} WHERE replaces IS NOT NULL)"""  # noqa: S608


def in_key_order(lines: Sequence[str]) -> tuple[list[str], bool]:
    """Return COPY lines in the order of their ids, and whether an id is there twice.

    Neighbours in the unique index are then probed and written one after the other, and PostgreSQL,
    whose time is the scarce one, need not sort.
    """
    ids = [line.split("\t", _ID + 1)[_ID] for line in lines]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return [lines[n] for n in order], len(set(ids)) < len(ids)


def stage(lines: Sequence[str]) -> dict[str, datetime]:
    """Copy COPY lines into this session's staging table; return the times they span.

    Must run inside the transaction that takes them. Raises django.db.Error for a line PostgreSQL
    refuses.
    """
    with connection.cursor() as cursor:
        cursor.execute(CREATE_STAGING)
        # psycopg2's own cursor: Django has no COPY, nor does it then translate the errors.
        with connection.wrap_database_errors:
            cursor.cursor.copy_expert(COPY_STAGING, io.StringIO("\n".join(_padded(lines)) + "\n"))
        cursor.execute(f"SELECT min(occurred_at), max(occurred_at) FROM {STAGING}")  # noqa: S608
        oldest, newest = cursor.fetchone()
    return {"oldest": oldest, "newest": newest}


def _padded(lines: Sequence[str]) -> Iterator[str]:
    """Give lines of a shorter table their missing columns. A tab in a value is not a tab here."""
    last = len(NAMES) - 1
    for line in lines:
        missing = last - line.count("\t")
        yield line + PADDING * missing if missing > 0 else line


def any_is_stored(span: Mapping[str, datetime]) -> bool:
    """Return whether one of the staged events is stored already: it stops at the first. To be asked
    under PLAN_AS_PROBES."""
    with connection.cursor() as cursor:
        cursor.execute(ANY_IS_STORED, span)
        (answer,) = cursor.fetchone()
    return bool(answer)


def are_plain(lines: Sequence[str]) -> bool:
    """Return whether all lines report what replaces nothing and is replaced by nothing."""
    return all(line.endswith(PADDING) and not line.endswith(INFERRED_END) for line in lines)


def take_out_replaced(lines: Sequence[str], span: Mapping[str, datetime]) -> bool:
    """Take inferred outcomes out of the staging table whose report is stored or staged; return
    whether a staged report may replace one that is stored (`REMOVE_REPLACED`).

    Most batches have nothing of the kind, and cost nothing.
    """
    corrects = any(not line.endswith(PADDING) for line in lines)
    with connection.cursor() as cursor:
        if corrects:
            cursor.execute(REMOVE_BESIDE)
        if any(line.endswith(INFERRED_END) for line in lines):
            cursor.execute(REMOVE_OVERTAKEN, span)
    return corrects
