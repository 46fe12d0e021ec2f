"""Queries of a trace: a bounded number of lookups by index, each bounded in time and rows.

A story is followed from one id: the ids of its events are looked up, then those of what
was found, and so on. Each round is one statement. All events of a story are within days of each
other, so that most chunks are never opened.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction

from server.events import queries as events
from server.metrics.catalogue import AGENT
from server.timescale.rows import fetch_rows
from server.trace import links
from server.trace.endings import Capture
from server.trace.identifiers import Identifier, identify
from server.trace.timeline import Trace, build_trace

Row = dict[str, Any]

#: Events of a story so far from one that was found are not looked for.
WITHIN = timedelta(days=7)
#: Where an id is looked for first; messages that people trace are young.
FIRST_WITHIN = (timedelta(days=3), timedelta(days=14))
#: Rounds of lookups, values of a column in one round, events in all, and those of one Message-ID
#: that nothing else links: senders may use one again and again.
MAX_ROUNDS, MAX_VALUES, MAX_EVENTS, MAX_BY_MESSAGE_ID = 6, 50, 1_000, 200
#: A trace that takes longer is given up.
MAX_MS = 3_000
#: Messages that are offered where sender and recipient do not name a single one.
MAX_CANDIDATES, MAX_CANDIDATE_EVENTS = 20, 400
#: Agents report more often.
CAPTURE_WITHIN = timedelta(hours=1)
#: The source of an agent that reports what WildDuck stores, as the agent's samples name it.
STORES_SOURCE = "wildduck-stream"
#: A part of a node's role.
RUNS_WILDDUCK = "wildduck"

# One step down the unique index (node, time) for each node.
SOURCES = f"""SELECT n.name, n.role, coalesce((
    SELECT jsonb_path_exists(coalesce(s.sources, '[]'), %(is_on)s::jsonpath)
    FROM {AGENT.table} AS s
    WHERE s.node_id = n.id AND s.time > %(since)s AND s.time <= %(until)s
    ORDER BY s.time DESC LIMIT 1), false)
FROM nodes_node AS n WHERE n.retired_at IS NULL ORDER BY n.name"""  # noqa: S608 (a name of ours)


@dataclass
class _Gathering:
    """Events found so far, what was looked up, and what was left out, in words."""

    rows: dict[Any, Row] = field(default_factory=dict)
    looked_up: set[tuple[str, str]] = field(default_factory=set)
    limits: list[str] = field(default_factory=list)

    @property
    def room(self) -> int:
        return MAX_EVENTS - len(self.rows)

    def note(self, limit: str) -> None:
        if limit not in self.limits:
            self.limits.append(limit)


def trace(identifier: Identifier, now: datetime, *, to_address: str = "") -> Trace | None:
    """Return the story of the message of an identifier; None: no event of it is stored.

    `to_address`: of this recipient alone, for a message that has more than can be shown. Raises
    TimeoutError.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = %s", [MAX_MS])
            gathering = _gather(identifier, now, to_address)
            capture = read_capture(now) if gathering.rows else Capture(None)
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None) != events.CANCELLED:
            raise
        raise TimeoutError(f"the trace took longer than {MAX_MS} ms") from error
    return build_trace(gathering.rows.values(), capture=capture, now=now, limits=gathering.limits)


def find_messages(
    from_address: str, to_address: str, start: datetime, end: datetime
) -> list[Row] | None:
    """Return an event of each message between two addresses in [start, end), newest first.

    Each has a `queue_id` of its own; at most MAX_CANDIDATES. None: it took too long.
    """
    filters = {"from_address": from_address, "to_address": to_address}
    rows = events.search_within(
        MAX_MS, start, end, {k: v for k, v in filters.items() if v}, limit=MAX_CANDIDATE_EVENTS
    )
    if rows is None:
        return None
    newest: dict[str, Row] = {}
    for event in rows:
        newest.setdefault(identify(event), event)
    return list(newest.values())[:MAX_CANDIDATES]


def read_capture(now: datetime) -> Capture:
    """Return which nodes report what WildDuck stores, by the newest samples of their agents."""
    values = {
        "since": now - CAPTURE_WITHIN,
        "until": now,
        "is_on": f'$[*] ? (@.is_on == true && @.name == "{STORES_SOURCE}")',
    }
    rows = fetch_rows(SOURCES, values)
    return Capture(
        tuple(name for name, _, reports in rows if reports),
        tuple(name for name, role, reports in rows if RUNS_WILDDUCK in role and not reports),
    )


def _gather(identifier: Identifier, now: datetime, to_address: str) -> _Gathering:
    gathering = _Gathering()
    at = _find_time(identifier, now)
    if at is None:
        return gathering
    first = {identifier.column: list(identifier.values)}
    _look_up(gathering, first, (at - WITHIN, at + WITHIN), to_address=to_address)
    if gathering.room <= 0:
        gathering.note(
            f"More than {MAX_EVENTS:,} events have this id: {MAX_EVENTS:,} of them are shown, and"
            " nothing else is looked for. Name a recipient or a queue id"
        )
    for _ in range(MAX_ROUNDS):
        wanted = _list_wanted(gathering)
        if not wanted or gathering.room <= 0:
            return gathering
        times = [row["occurred_at"] for row in gathering.rows.values()]
        _look_up(gathering, wanted, (min(times) - WITHIN, max(times) + WITHIN))
    if _list_wanted(gathering):
        gathering.note(f"What comes after {MAX_ROUNDS} steps of forwarding is not followed")
    return gathering


def _find_time(identifier: Identifier, now: datetime) -> datetime | None:
    """Return when an event with this id happened; None: none is stored."""
    retention = timedelta(days=settings.EVENTS_RETENTION_DAYS)
    end = now + timedelta(days=1)  # a clock may be ahead
    for length in (*FIRST_WITHIN, retention):
        start = now - length
        condition, values = _match(identifier.column, identifier.values)
        rows = fetch_rows(
            f"SELECT occurred_at FROM email_events WHERE {condition}"  # noqa: S608 (a column)
            " AND occurred_at >= %(start)s::timestamptz AND occurred_at < %(end)s::timestamptz"
            " LIMIT 1",
            values | {"start": start, "end": end},
        )
        if rows:
            at: datetime = rows[0][0]
            return at
        end = start
    return None


def _list_wanted(gathering: _Gathering) -> dict[str, list[str]]:
    """Return the values of each column that were not looked up yet."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for column, value in dict.fromkeys(links.list_links(gathering.rows.values())):
        if (column, value) in gathering.looked_up:
            continue
        if len(wanted[column]) < MAX_VALUES:
            wanted[column].append(value)
        else:
            gathering.note(f"More than {MAX_VALUES} messages are linked; not all are followed")
    return {column: values for column, values in wanted.items() if values}


def _look_up(
    gathering: _Gathering,
    wanted: Mapping[str, Sequence[str]],
    span: tuple[datetime, datetime],
    *,
    to_address: str = "",
) -> None:
    """Add the events that have one of these values, in one statement."""
    known = [value for column, value in gathering.looked_up if column == "queue_id"]
    known += wanted.get("queue_id", ())
    values: dict[str, Any] = {"start": span[0], "end": span[1], "known": known}
    values |= {"limit": gathering.room, "to_address": to_address.lower()}
    parts = []
    for column, texts in wanted.items():
        condition, more = _match(column, texts)
        values |= more
        limit = "%(limit)s"
        if column == "message_id" and gathering.rows:
            condition += " AND queue_id IS NOT NULL AND queue_id <> ALL(%(known)s::text[])"
            limit = str(MAX_BY_MESSAGE_ID + 1)
        if to_address:
            condition += " AND (to_address IS NULL OR lower(to_address) = %(to_address)s::text)"
        parts.append(
            f"(SELECT '{column}', {events.SELECTED} FROM email_events WHERE {condition}"  # noqa: S608
            " AND occurred_at >= %(start)s::timestamptz AND occurred_at < %(end)s::timestamptz"
            f" LIMIT {limit})"
        )
    _add(gathering, fetch_rows(" UNION ALL ".join(parts), values))
    gathering.looked_up |= {(column, text) for column, texts in wanted.items() for text in texts}


def _add(gathering: _Gathering, rows: Iterable[tuple[Any, ...]]) -> None:
    by_column: dict[str, list[Row]] = defaultdict(list)
    for column, *row in rows:
        by_column[column].append(dict(zip(events.COLUMNS, row, strict=True)))
    if gathering.rows and len(by_column["message_id"]) > MAX_BY_MESSAGE_ID:
        del by_column["message_id"]
        gathering.note(
            f"More than {MAX_BY_MESSAGE_ID} other events have this Message-ID: what it alone links"
            " is left out"
        )
    for events_found in by_column.values():
        for event in events_found[: max(0, gathering.room)]:
            gathering.rows.setdefault((event["event_id"], event["occurred_at"]), event)
    if gathering.room <= 0:
        gathering.note(f"The story has more than {MAX_EVENTS:,} events; the others are left out")


def _match(column: str, texts: Sequence[str]) -> tuple[str, dict[str, Any]]:
    if column == "event_id":
        return "event_id = %(event_id)s::uuid", {"event_id": texts[0]}
    return f"{column} = ANY(%({column})s::text[])", {column: list(texts)}
