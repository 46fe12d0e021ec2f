"""Generated history, a UTC day at a time: full days by COPY, parts of days by the writer.

Another kind of facts is another function in FILLERS.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db import connection, transaction
from django.utils import timezone

from server.demo import mail as events
from server.demo import samples
from server.events.columns import NAMES
from server.events.mapping import to_line
from server.events.outcomes import find_facts
from server.nodes import store as nodes
from server.rollups import maintainer, rebuild
from server.rollups.levels import LEVELS
from server.rollups.mail import details
from server.storage.samples_writer import write_samples
from server.storage.transaction import write_events

DAY = timedelta(days=1)
BATCH_EVENTS, BATCH_SAMPLES = 20_000, 2_000
#: Lines handed to COPY at a time.
COPY_LINES = 2_000
COPY = f"COPY email_events ({', '.join(NAMES)}) FROM STDIN"
IS_STORED = """SELECT count(*)
FROM unnest(%(ids)s::uuid[], %(times)s::timestamptz[]) AS wanted (i, t)
JOIN email_events ON event_id = i AND occurred_at = t
WHERE occurred_at >= %(start)s AND occurred_at < %(end)s"""
HAS_EVENTS = """SELECT EXISTS (SELECT FROM email_events
WHERE occurred_at >= %(start)s AND occurred_at < %(end)s)"""


@dataclass(frozen=True)
class History:
    """Parameters of a generated history."""

    events_per_hour: int
    nodes: int
    seed: int
    #: Seconds between two samples of a node; 0: no samples.
    samples_every_s: int = 0

    def hour(self, hour: datetime) -> Iterator[events.Row]:
        return events.hour_of_events(
            hour, events_per_hour=self.events_per_hour, seed=self.seed, nodes=self.nodes
        )


@dataclass(frozen=True)
class DayPart:
    """A UTC day, or the part of it to be filled: [start, end)."""

    start: datetime
    end: datetime

    @property
    def midnight(self) -> datetime:
        """The start of the day."""
        return self.start.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def is_full_day(self) -> bool:
        return self.end - self.start == DAY


def fill_events(history: History, part: DayPart) -> int:
    """Copy a day of which nothing is stored; otherwise store new events one by one.

    Raises RawRowsGone for a day past the retention of events: only its counts are left.
    """
    rebuild.check_raw_rows(part.start, now=timezone.now())
    if not part.is_full_day:
        return _store(history, part)
    if _is_filled(history, part):
        return 0
    with connection.cursor() as cursor:
        cursor.execute(HAS_EVENTS, vars(part))
        (has_events,) = cursor.fetchone()
    return _store(history, part) if has_events else _copy(history, part)


def fill_system_samples(history: History, part: DayPart) -> int:
    """Write the nodes and the samples of a part; already stored samples are counted too."""
    if not history.samples_every_s:
        return 0
    of = events.cluster(history.nodes)
    for name in of.nodes:
        node = nodes.register(name, samples.details(name))
        nodes.mark_seen(node.pk, part.end)
    wrong = events.incidents(part.start, seed=history.seed, nodes=history.nodes)
    if wrong.dead_node and (dead := dead_within(part, wrong.dead_hours)):
        nodes.record_silence(nodes.node_ids([wrong.dead_node])[wrong.dead_node], *dead)
    every_s = history.samples_every_s
    made = samples.system_samples(
        of.nodes, part.start, part.end, every_s=every_s, seed=history.seed, wrong=wrong
    )
    count = 0
    while batch := list(islice(made, BATCH_SAMPLES)):
        write_samples(batch)
        count += len(batch)
    return count


#: Kind of facts → what writes the missing ones of a part and returns how many were new.
FILLERS: dict[str, Callable[[History, DayPart], int]] = {
    "events": fill_events,
    "system samples": fill_system_samples,
}


def split_days(start: datetime, end: datetime) -> Iterator[DayPart]:
    """Yield the UTC days, or parts of days, of [start, end), oldest first."""
    while start < end:
        next_day = DayPart(start, end).midnight + DAY
        yield DayPart(start, min(next_day, end))
        start = next_day


def dead_within(part: DayPart, dead_hours: tuple[float, float]) -> tuple[datetime, datetime] | None:
    """Return the outage of a node on the part's day; None if it is not over."""
    start, end = (part.midnight + timedelta(hours=hours) for hours in dead_hours)
    return (start, end) if part.start <= start and end < part.end else None


def _store(history: History, part: DayPart) -> int:
    lines = (
        _line(row)
        for hour in events.hours(part.start.replace(hour=0), part.end)
        for row in history.hour(hour)
        if part.start <= row["occurred_at"] < part.end
    )
    new = 0
    while batch := list(islice(lines, BATCH_EVENTS)):
        new += sum(stored.events for stored in write_events(batch))
    details.count_all(timezone.now())  # before wider levels are made of them
    if new and part.end == part.midnight + DAY:
        # TimescaleDB looks for late events once a minute; it adds up the current day by itself.
        with transaction.atomic():
            written = maintainer.written_levels()
        rebuild.refresh(LEVELS[len(written) :], part.midnight)
    return new


def _copy(history: History, part: DayPart) -> int:
    """Copy a day and count it, in one transaction: all of the day, or nothing of it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(maintainer.ALONE)  # a concurrent write would be counted twice
            # psycopg2's own cursor: Django has no COPY, nor does it then translate the errors.
            with connection.wrap_database_errors:
                cursor.cursor.copy_expert(COPY, _Stream(_in_order(history, part)))
            count = int(cursor.cursor.rowcount)
        if not count:
            return 0
        wider = rebuild.count_day(part.start, now=timezone.now())
    rebuild.refresh(wider, part.start)
    return count


def _in_order(history: History, part: DayPart) -> Iterator[str]:
    """Yield the lines of a day, those of each hour in the order of time, like real ones."""
    for hour in events.hours(part.start, part.end):
        rows = ((row["occurred_at"], _line(row)) for row in history.hour(hour))
        for _, line in sorted(rows):
            yield f"{line}\n"


def _line(row: events.Row) -> str:
    """Return a generated event as the server stores one that arrives."""
    facts = find_facts(
        direction=row["direction"],
        event_type=row["event_type"],
        mx_host=row.get("mx_host"),
        to_domain=row.get("to_domain"),
        status_code=row.get("status_code"),
        category=row.get("bounce_category"),
        reply=row.get("bounce_message") or row.get("status_message"),
    )
    return to_line({**row, **facts._asdict()})


def _is_filled(history: History, part: DayPart) -> bool:
    """Return whether the first event of each hour is stored, and the last of the day."""
    firsts = [next(history.hour(hour), None) for hour in events.hours(part.start, part.end)]
    last = deque(history.hour(part.end - events.HOUR), maxlen=1)
    marks = {row["event_id"]: row["occurred_at"] for row in [*firsts, *last] if row}
    with connection.cursor() as cursor:
        ids, times = [str(event_id) for event_id in marks], list(marks.values())
        cursor.execute(IS_STORED, {"ids": ids, "times": times, **vars(part)})
        (stored,) = cursor.fetchone()
    return bool(marks and stored == len(marks))


class _Stream:
    """Lines as the file that COPY reads from."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)

    def read(self, _size: int = -1) -> str:
        """Return some lines; nothing at the end. More than `size` is allowed."""
        return "".join(islice(self._lines, COPY_LINES))
