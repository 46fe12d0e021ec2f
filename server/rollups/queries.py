"""Questions to the levels. Time ranges are always parameters, and always bound the bucket."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

#: The types a page counts for each direction, in the order in which it shows them.
SHOWN = {
    "inbound": ("received", "delivered", "rejected", "greylisted"),
    "outbound": ("sent", "delivered", "bounced", "deferred"),
}
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class HourTotals:
    """Events of the last 60 minutes by type, for each direction; and how many were inferred."""

    inbound: dict[str, int]
    outbound: dict[str, int]
    inferred: int


@dataclass(frozen=True)
class Bucket:
    """Events by type of one stretch of time that begins at `start`."""

    start: datetime
    events: dict[str, int] = field(default_factory=dict)
    inferred: int = 0
    partial: bool = False


def hour_totals() -> HourTotals:
    """Count the last 60 whole minutes and the running one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT direction, event_type, sum(events), sum(inferred_events) FROM email_stats_1m"
            " WHERE dimension = 'all' AND bucket > %s GROUP BY 1, 2",
            [timezone.now() - HOUR - timedelta(minutes=1)],
        )
        rows = cursor.fetchall()
    counts = {(direction, kind): int(events) for direction, kind, events, _ in rows}
    inbound, outbound = (
        {kind: counts.get((direction, kind), 0) for kind in SHOWN[direction]}
        for direction in ("inbound", "outbound")
    )
    return HourTotals(inbound, outbound, int(sum(row[3] for row in rows)))


def throughput(start: datetime, end: datetime, *, direction: str, width: timedelta) -> list[Bucket]:
    """Return every bucket of [start, end) of one direction, empty ones too, oldest first.

    `start` is moved back to a whole bucket. The bucket that holds the present is marked partial.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT time_bucket(%(width)s::interval, bucket) AS start, event_type,"
            " sum(events), sum(inferred_events)"
            " FROM email_stats_1m WHERE dimension = 'all' AND direction = %(direction)s"
            " AND bucket >= time_bucket(%(width)s::interval, %(start)s::timestamptz)"
            " AND bucket < %(end)s GROUP BY 1, 2",
            {
                "width": f"{width.total_seconds()} seconds",
                "direction": direction,
                "start": start,
                "end": end,
            },
        )
        rows = cursor.fetchall()
    return _filled(rows, start, end, width)


def _filled(
    rows: list[tuple[datetime, str, int, int]], start: datetime, end: datetime, width: timedelta
) -> list[Bucket]:
    found: dict[datetime, Bucket] = {}
    for at, event_type, events, inferred in rows:
        bucket = found.setdefault(at, Bucket(at))
        bucket.events[event_type] = int(events)
        found[at] = Bucket(at, bucket.events, bucket.inferred + int(inferred))
    now = timezone.now()
    buckets = []
    at = _floor(start, width)
    while at < end:
        bucket = found.get(at, Bucket(at))
        buckets.append(Bucket(at, bucket.events, bucket.inferred, at <= now < at + width))
        at += width
    return buckets


def _floor(at: datetime, width: timedelta) -> datetime:
    # time_bucket's origin is Monday 2000-01-03; widths that divide a week agree with any Monday.
    origin = datetime(2000, 1, 3, tzinfo=at.tzinfo)
    return at - (at - origin) % width
