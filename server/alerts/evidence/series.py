"""Series of evidence: points by bucket, gaps where nothing is known, marks of the flips. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from server.alerts.models import Alert, AlertTransition, State
from server.rollups.plan import Span

Point = tuple[datetime, float | None]
#: What is shown before an alert began, and after it ended.
BEFORE, AFTER = timedelta(hours=1), timedelta(minutes=15)
#: The events behind it are looked for from so long before it began.
EVENTS_BEFORE = timedelta(minutes=5)
#: Readings further apart have a gap between them.
MAX_DISTANCE = timedelta(minutes=3)


@dataclass(frozen=True)
class Mark:
    """A flip: from then on the alert is in this state. `pending` is its onset, `ok` its end."""

    at: datetime
    state: str


def find_span(alert: Alert, now: datetime) -> Span:
    """Return the time that is shown: from an hour before its onset until now, or just past its
    end."""
    end = now if alert.ended_at is None else min(alert.ended_at + AFTER, now)
    start = min(alert.started_at - BEFORE, now - timedelta(minutes=1))
    return Span(start, max(end, start + timedelta(minutes=1)), now)


def find_events_span(alert: Alert, now: datetime) -> tuple[datetime, datetime]:
    """Return the time of the events behind an alert."""
    start = min(alert.started_at, now) - EVENTS_BEFORE
    return start, max(alert.ended_at or now, alert.started_at)


def build_marks(alert: Alert, flips: Iterable[AlertTransition]) -> list[Mark]:
    """Return the flips of an alert in the order of time, its onset first."""
    marks = [Mark(flip.at, flip.to_state) for flip in flips if flip.from_state != flip.to_state]
    if not any(mark.state == State.PENDING for mark in marks) and (
        alert.fired_at is None or alert.started_at < alert.fired_at
    ):
        marks.append(Mark(alert.started_at, State.PENDING))
    return sorted(marks, key=lambda mark: mark.at)


def build_points(
    edges: Sequence[datetime], values: Mapping[int, float | None], now: datetime
) -> list[Point]:
    """Return a point for each bucket that has begun; a bucket without a value is a gap."""
    begun = [(place, edge) for place, edge in enumerate(edges[:-1]) if edge <= now]
    return [(edge, values.get(place)) for place, edge in begun]


def build_silence(times: Sequence[datetime], end: datetime) -> list[Point]:
    """Return for how many seconds nothing came: it rises from each contact to the next one, of
    which `times` are in order, or to the end."""
    points: list[Point] = []
    for at, next_at in pairwise([*times, max([end, *times[-1:]])]):
        points += [(at, 0.0), (next_at, (next_at - at).total_seconds())]
    return points


def add_gaps(points: Iterable[tuple[datetime, float | None]]) -> list[Point]:
    """Return readings with a gap wherever none came for longer than MAX_DISTANCE."""
    result: list[Point] = []
    for at, value in points:
        if result and at - result[-1][0] > MAX_DISTANCE:
            result.append((result[-1][0] + MAX_DISTANCE, None))
        result.append((at, value))
    return result


def blank_unknown(points: Iterable[Point], marks: Sequence[Mark], end: datetime) -> list[Point]:
    """Return the points with a gap while the evaluator had no data."""
    ends = [*(mark.at for mark in marks[1:]), end]
    blind = [
        (mark.at, until)
        for mark, until in zip(marks, ends, strict=False)
        if mark.state == State.NO_DATA
    ]
    return [
        (at, None if any(since <= at < until for since, until in blind) else value)
        for at, value in points
    ]
