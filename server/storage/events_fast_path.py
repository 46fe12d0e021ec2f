"""Fast path of the events writer: what `events_writer` does, by the short cuts that measured well.

Most batches are plain: every event is new, comes once, replaces nothing and is replaced by nothing.
Those are counted before the lock, and stored by statements the session has planned before.
"""

import hashlib
from collections.abc import Sequence
from functools import cache

from django.db import connection
from django.db.backends.utils import CursorWrapper

from server.events.columns import NAMES
from server.events.mapping import NULL
from server.rollups import maintainer
from server.rollups.levels import KEY, ONE_MINUTE, Level
from server.rollups.mail import detail_sql, sql
from server.storage import events_writer as reference
from server.storage import same_event
from server.storage.events_writer import COLUMNS, NewEvents, Span
from server.storage.same_event import IS_STORED, STAGED_ONCE, STAGING

_ID = NAMES.index("event_id")
#: The certainty of a plain line, what it replaces, and the time of a node's wrong clock: three
#: columns one after the other, and how many come after them.
PLAIN_COLUMNS = ["certainty", "replaces", "node_occurred_at"]
PLAIN_VALUES = ["reported", NULL, NULL]
_AFTER = len(NAMES) - NAMES.index(PLAIN_COLUMNS[-1]) - 1
INFERRED = "\tinferred\t"
#: What the staged rows add to each level, in this session until its commit.
COUNTED = "counted_email_stats"
CREATE_COUNTED = f"""CREATE TEMPORARY TABLE IF NOT EXISTS {COUNTED}
  (level text, LIKE {ONE_MINUTE.table}) ON COMMIT DELETE ROWS"""

#: How the look for known events is to be made: one probe of the unique index for each staged row.
#: Left to itself the planner joins with all that the last hour stored, which grows and grows, and
#: TimescaleDB wraps each probe in a node of its own that costs three times the probe.
#: The memory is for the rows on their way through the statement; more of them go to the disk.
PLAN_AS_PROBES = """SET LOCAL work_mem = '64MB'; SET LOCAL timescaledb.enable_chunk_append = off;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
SET LOCAL enable_bitmapscan = off; SET LOCAL enable_material = off;
SET LOCAL enable_memoize = off"""

ANY_IS_STORED = f"SELECT EXISTS (SELECT FROM {STAGING} AS staged WHERE {IS_STORED})"  # noqa: S608
IS_CROWDED = f"""WITH counted AS (
  SELECT {", ".join(KEY)} FROM {COUNTED} WHERE level = '{ONE_MINUTE.name}'
)
SELECT EXISTS ({sql.crowded(reference.BUCKETS)})"""  # noqa: S608
INSERT_ALL = f"INSERT INTO email_events ({COLUMNS}) SELECT {COLUMNS} FROM {STAGING}"  # noqa: S608


def insert_events(lines: Sequence[str], *, repeated: bool = False) -> list[NewEvents]:
    """Store COPY lines once, whatever came before; count the new ones, and return them by second.

    `repeated`: whether some came before, perhaps with other times. Must run inside the transaction
    that stores the batch. Raises django.db.Error.
    """
    levels = maintainer.written_levels()
    ordered, repeats = sort_by_key(lines)
    is_plain = not repeats and _are_plain(ordered)
    with connection.cursor() as cursor:
        span = reference.stage(cursor, ordered, repeated=repeated)
        if is_plain:
            cursor.execute(PLAN_AS_PROBES)
            new = _count_ahead(cursor, levels)
        cursor.execute(reference.LOCK_WRITERS)
        if is_plain:
            if not (_ask(cursor, ANY_IS_STORED, span) or _is_any_guess(cursor, span, refuted=True)):
                # Not before the lock: two writers would both fill the last room of a bucket.
                if _ask(cursor, IS_CROWDED, span):
                    cursor.execute(_bounding(levels), span)
                _execute_prepared(cursor, _insertion_of_all(levels))
                return new
        else:
            _remove_replaced(cursor, levels, ordered, span)
            cursor.execute(PLAN_AS_PROBES)
            if any(INFERRED in line for line in ordered):
                cursor.execute(same_event.REMOVE_GUESSES_OVERTAKEN, span)
        _remove_guessed(cursor, levels, span)
        _set_apart(cursor, span, repeats=repeats)
        cursor.execute(_insertion_of_new(levels, repeats), span)
        return [NewEvents(*row) for row in cursor.fetchall()]


def sort_by_key(lines: Sequence[str]) -> tuple[list[str], bool]:
    """Return COPY lines in the order of their ids, and whether an id is there twice.

    Neighbours in the unique index are then probed and written one after the other, and PostgreSQL,
    whose time is the scarce one, need not sort.
    """
    ids = [line.split("\t", _ID + 1)[_ID] for line in lines]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return [lines[n] for n in order], len(set(ids)) < len(ids)


def _are_plain(lines: Sequence[str]) -> bool:
    """Return whether all lines report what replaces nothing and is replaced by nothing, by a right
    clock."""
    return all(_read_plain(line) == PLAIN_VALUES for line in lines)


def _read_plain(line: str) -> list[str]:
    """Return the values that PLAIN_VALUES is compared with. Of a line from before the last columns
    they are others, of which the first is never a text of the sender's."""
    return line.rsplit("\t", _AFTER + len(PLAIN_VALUES))[1 : len(PLAIN_VALUES) + 1]


def _count_ahead(cursor: CursorWrapper, levels: tuple[Level, ...]) -> list[NewEvents]:
    """Count the staged rows as if all were new, as they mostly are, and return them by second.

    Before the lock is taken, so that another writer stores meanwhile.
    """
    cursor.execute(CREATE_COUNTED)
    _execute_prepared(cursor, _counting(levels))
    cursor.execute(reference.count_by_second(STAGING))
    return [NewEvents(*row) for row in cursor.fetchall()]


def _execute_prepared(cursor: CursorWrapper, statement: str) -> None:
    """Run a statement, planned once per session: planning takes longer than a small batch needs.

    Looked up each time, as a pooler may give another session.
    """
    name = f"mallard_{hashlib.sha256(statement.encode()).hexdigest()[:16]}"
    cursor.execute("SELECT FROM pg_prepared_statements WHERE name = %s", [name])
    if not cursor.rowcount:
        cursor.execute(f"PREPARE {name} AS {statement}")
    cursor.execute(f"EXECUTE {name}")


def _ask(cursor: CursorWrapper, question: str, span: Span) -> bool:
    """Return the answer of a statement that stops at the first row. Needs PLAN_AS_PROBES."""
    cursor.execute(question, span)
    return bool(cursor.fetchone()[0])


def _is_any_guess(cursor: CursorWrapper, span: Span, *, refuted: bool = False) -> bool:
    """Return whether another node guessed how a staged delivery ended; `refuted`: otherwise."""
    question = same_event.ANY_IS_REFUTED if refuted else same_event.ANY_IS_GUESSED
    return _ask(cursor, same_event.ANY_IS_INFERRED, span) and _ask(cursor, question, span)


def _remove_replaced(
    cursor: CursorWrapper,
    levels: tuple[Level, ...],
    lines: Sequence[str],
    span: Span,
) -> None:
    """Remove inferred outcomes whose report is staged or stored. Costs nothing without any."""
    # Of lines with a corrected time, or from before that column, some are looked at for nothing.
    corrects = any(_read_plain(line)[1:] != PLAIN_VALUES[1:] for line in lines)
    if corrects:
        cursor.execute(reference.REMOVE_BESIDE)
    if any(INFERRED in line for line in lines):
        cursor.execute(same_event.REMOVE_GUESSES_BESIDE)
        cursor.execute(reference.REMOVE_OVERTAKEN, span)
    if corrects:
        cursor.execute(_retraction(levels, reference.REMOVE_REPLACED), span)


def _remove_guessed(cursor: CursorWrapper, levels: tuple[Level, ...], span: Span) -> None:
    """Remove what other nodes of a shared queue inferred otherwise. Needs PLAN_AS_PROBES."""
    if _is_any_guess(cursor, span):
        cursor.execute(_retraction(levels, same_event.REMOVE_GUESSED), span)


def _set_apart(cursor: CursorWrapper, span: Span, *, repeats: bool) -> None:
    """Keep events apart that two nodes sent under one id. Needs PLAN_AS_PROBES."""
    cursor.execute(same_event.SET_APART_FROM_STORED, span)
    if repeats:
        cursor.execute("SET LOCAL enable_hashjoin = on")  # both sides are staged, and may be many
        cursor.execute(same_event.SET_APART_FROM_STAGED)
        cursor.execute(PLAN_AS_PROBES)


def insert_new(*, repeats: bool) -> str:
    """Return the statement that inserts the staged rows that are new, one for each event.

    `repeats`: an id may be staged twice. Without, rows go in as they were staged (`sort_by_key`).

    There is no ON CONFLICT: one writer at a time is between this look and its commit, and trying
    each row before it is written costs a twelfth of all. Were one stored meanwhile by other hands,
    the unique index refuses the batch, and its second try finds the row.
    """
    return f"""INSERT INTO email_events ({COLUMNS})
SELECT {COLUMNS} FROM {STAGED_ONCE if repeats else STAGING} AS staged
WHERE NOT {IS_STORED}"""  # noqa: S608 (names from columns.py only)


@cache
def _counting(levels: tuple[Level, ...]) -> str:
    """Return what counts the staged rows, whatever values they have: mostly there is room."""
    of_first = f"of_{ONE_MINUTE.name} AS (\n{sql.aggregate(ONE_MINUTE, STAGING)}\n)"
    return f"WITH {sql.add([of_first], levels, into=())}\n{_keep_counted(levels)}"


@cache
def _bounding(levels: tuple[Level, ...]) -> str:
    """Return what counts again what was counted, naming only the values for which there is room."""
    first = [
        f"taken AS (DELETE FROM {COUNTED} RETURNING *)",  # noqa: S608
        f"counted AS (SELECT {sql.COLUMNS} FROM taken WHERE level = '{ONE_MINUTE.name}')",  # noqa: S608
        *sql.bounded(reference.BUCKETS),
    ]
    return f"WITH {sql.add(first, levels, into=())}\n{_keep_counted(levels)}"


def _keep_counted(levels: tuple[Level, ...]) -> str:
    counted = " UNION ALL ".join(
        f"SELECT '{level.name}', {sql.COLUMNS} FROM of_{level.name}"  # noqa: S608
        for level in levels
    )
    return f"INSERT INTO {COUNTED} (level, {sql.COLUMNS}) {counted}"


@cache
def _insertion_of_all(levels: tuple[Level, ...]) -> str:
    """Return what inserts all that is staged, and adds what was counted ahead to `levels`."""
    additions = ",\n".join(
        f"into_{level.name} AS (\n{sql.upsert(level, _counted_ahead(level))}\n)" for level in levels
    )
    return f"WITH {additions},\ndue AS ({detail_sql.mark(STAGING)})\n{INSERT_ALL}"


def _counted_ahead(level: Level) -> str:
    return f"(SELECT * FROM {COUNTED} WHERE level = '{level.name}') AS counted"  # noqa: S608


@cache
def _retraction(levels: tuple[Level, ...], removal: str) -> str:
    """Return what removes stored outcomes, and takes exactly these out of levels."""
    columns = ", ".join(f"stored.{name}" for name in sql.RAW_COLUMNS)
    return f"""WITH removed AS (
{removal}
RETURNING {columns}
),
due AS ({detail_sql.mark("removed")}),
{sql.write(levels, "removed", within=reference.BUCKETS_REPLACED, is_removal=True)}
SELECT count(*) FROM removed"""  # noqa: S608 (names of the declaration)


@cache
def _insertion_of_new(levels: tuple[Level, ...], repeats: bool) -> str:
    """Return what inserts what is new, adds exactly that to `levels`, and answers it by second."""
    return f"""WITH fresh AS (
{insert_new(repeats=repeats)}
RETURNING {", ".join(sql.RAW_COLUMNS)}
),
due AS ({detail_sql.mark("fresh")}),
{sql.write(levels, "fresh", within=reference.BUCKETS)}
{reference.count_by_second("fresh")}"""
