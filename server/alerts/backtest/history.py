"""Histories of conditions: what the levels and tables keep of their readings over a month.

A history is of fewer details than a round sees: means of five minutes, disks without their file
systems. `note` of each says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

from django.conf import settings

from server.alerts.backtest.replay import TICK_S, Point, Track
from server.alerts.blocks.models import Block
from server.alerts.conditions.condition import Rule, Subject
from server.alerts.conditions.mail_flow import CLUSTER, MEASURES
from server.alerts.evaluator.gathering import OUTCOMES_OF_LEVEL
from server.alerts.snapshot import MailMinute
from server.metrics import catalogue
from server.metrics.catalogue import SampleKind
from server.rollups.levels import FIVE_MINUTES, ONE_HOUR
from server.rollups.samples.levels import SampleLevel
from server.timescale.rows import fetch_rows

FIVE_MINUTES_S = 300
#: Blocks, and buckets that were not fine, of which a history is read.
MAX_BLOCKS, MAX_BUCKETS = 1_000, 200_000


class HistoryTooLong(Exception):
    """There is more of it than somebody waits for."""


@dataclass(frozen=True)
class History:
    """What is kept of a condition's readings. `note`: what it lacks. `read` may raise
    HistoryTooLong."""

    read: Callable[[datetime, datetime, Rule], Sequence[Track]]
    note: str


def _samples(
    kind: SampleKind,
    value: str,
    subject: Callable[[str], Subject],
    note: str,
    series: str = "n.name",
) -> History:
    """Return a history of the 5-minute level of a kind. `value`: SQL over a bucket's readings.

    Buckets in a row in which all was fine are left out: most of them, most of the time.
    """
    statement = f"""WITH buckets AS (
  SELECT {series} AS name, extract(epoch FROM bucket)::bigint AS start_s, max({value})::float
    AS value
  FROM {SampleLevel(kind, FIVE_MINUTES).table} AS l JOIN nodes_node AS n ON n.id = l.node_id
  WHERE n.retired_at IS NULL AND bucket >= %(start)s AND bucket < %(end)s
  GROUP BY 1, 2
), rows AS (
  SELECT *, start_s - lag(start_s) OVER w AS since_s, lead(start_s) OVER w - start_s AS until_s
  FROM buckets WINDOW w AS (PARTITION BY name ORDER BY start_s)
)
SELECT name, start_s, value, until_s IS DISTINCT FROM {FIVE_MINUTES_S} FROM rows
WHERE NOT coalesce(%(sign)s * value <= %(sign)s * %(clear)s, false)
  OR since_s IS DISTINCT FROM {FIVE_MINUTES_S} OR until_s IS DISTINCT FROM {FIVE_MINUTES_S}
ORDER BY name, start_s LIMIT {MAX_BUCKETS}"""  # noqa: S608 (names of the declaration)

    def read(start: datetime, end: datetime, rule: Rule) -> Sequence[Track]:
        clear, sign = rule.values["clear"], -1 if rule.condition.side == "below" else 1
        rows = fetch_rows(statement, {"start": start, "end": end, "clear": clear, "sign": sign})
        if len(rows) == MAX_BUCKETS:
            raise HistoryTooLong
        return [
            Track(subject(name), join_buckets([row[1:] for row in of_name], fine=clear))
            for name, of_name in groupby(rows, key=itemgetter(0))
        ]

    return History(read, note)


def join_buckets(rows: Sequence[tuple[int, float | None, bool]], *, fine: float) -> list[Point]:
    """Return points of buckets (start, value, whether a gap follows it); what was left out between
    two without a gap was `fine`."""
    points: list[Point] = []
    is_gap = True
    for start_s, value, gap_follows in rows:
        if not is_gap and start_s > points[-1].end_s:
            points.append(Point(points[-1].end_s, start_s, fine))
        points.append(Point(start_s, start_s + FIVE_MINUTES_S, value))
        is_gap = gap_follows
    return points


def _mean(name: str) -> str:
    return f"({name}_sum / nullif({name}_count, 0))"


def _of_node(name: str) -> Subject:
    return Subject("node", name, name)


def _root_disk(name: str) -> Subject:
    return Subject("file_system", f"{name}:/", name)


def _queue(name: str) -> Subject:
    return Subject("queue", name)


_SILENCES = f"""WITH rows AS (
  SELECT node_id, last_at, lead(bucket, 1, %(end)s::timestamptz) OVER w AS next_at
  FROM {SampleLevel(catalogue.SYSTEM, FIVE_MINUTES).table}
  WHERE bucket >= %(start)s AND bucket < %(end)s
  WINDOW w AS (PARTITION BY node_id ORDER BY bucket)
)
SELECT n.name, extract(epoch FROM last_at)::bigint, extract(epoch FROM next_at)::bigint
FROM rows JOIN nodes_node AS n ON n.id = rows.node_id
WHERE n.retired_at IS NULL AND next_at - last_at > %(longer)s * interval '1 second'
ORDER BY 1, 2 LIMIT {MAX_BUCKETS}"""  # noqa: S608 (names of the declaration)
_WATCHED = f"""SELECT n.name, extract(epoch FROM min(bucket))::bigint
FROM {SampleLevel(catalogue.SYSTEM, ONE_HOUR).table} AS l JOIN nodes_node AS n ON n.id = l.node_id
WHERE n.retired_at IS NULL AND bucket >= %(start)s AND bucket < %(end)s
GROUP BY 1"""  # noqa: S608 (names of the declaration)


def _read_silences(start: datetime, end: datetime, rule: Rule) -> Sequence[Track]:
    """Return for how long each node was silent, where it was for longer than the rule allows."""
    values = {"start": start, "end": end, "longer": rule.values["threshold"]}
    watched = fetch_rows(_WATCHED, values)
    points = {name: [Point(first_s, first_s + TICK_S, 0.0)] for name, first_s in watched}
    for name, last_s, next_s in fetch_rows(_SILENCES, values):
        if name not in points:  # its first hour is not counted yet
            continue
        fires_s = (last_s + int(rule.values["threshold"])) // TICK_S * TICK_S + TICK_S
        if fires_s < next_s:
            silence = Point(fires_s, next_s, float(next_s - last_s))
            points[name].append(silence)
    return [Track(_of_node(name), each, has_gaps=False) for name, each in points.items()]


def _read_mail(start: datetime, end: datetime, rule: Rule) -> Sequence[Track]:
    return [mail_track(rule, list(_read_minutes(start, end)))]


def _read_minutes(start: datetime, end: datetime) -> Iterator[MailMinute]:
    """Yield the minutes with mail: of the 1-minute level, and before it of the 5-minute level."""
    kept = timedelta(days=settings.RETENTION_DAYS["email_stats_1m"])
    minutes_from = max(start, end - kept + timedelta(hours=1)).replace(minute=0, second=0)
    wide = OUTCOMES_OF_LEVEL.format(level="email_stats_5m")
    for row in fetch_rows(wide, {"since": start, "until": minutes_from}):
        yield from _spread(MailMinute(*row))
    narrow = OUTCOMES_OF_LEVEL.format(level="email_stats_1m")
    before = minutes_from - timedelta(minutes=1)  # the bound is left out
    for row in fetch_rows(narrow, {"since": before, "until": end}):
        yield MailMinute(*row)


def _spread(five: MailMinute) -> Iterator[MailMinute]:
    """Spread the counts of five minutes evenly over them."""
    counts = [
        five.delivered,
        five.bounced,
        five.deferred,
        five.delivery_ms_sum,
        five.delivery_count,
    ]
    for place in range(5):
        parts = [count // 5 + (place < count % 5) for count in counts]
        yield MailMinute(five.at + timedelta(minutes=place), *parts)


def mail_track(rule: Rule, minutes: Sequence[MailMinute]) -> Track:
    """Return the readings of a rule of mail, of each minute in whose window was any."""
    measure, window = MEASURES[rule.condition.name], int(rule.values["window"] // TICK_S)
    by_minute = {int(minute.at.timestamp()) // TICK_S: minute for minute in minutes}
    points: list[Point] = []
    total = [0, 0, 0, 0, 0]
    last = min(by_minute, default=0) - 1
    for place in _places(by_minute, window):
        if place > last + 1:
            total = [0, 0, 0, 0, 0]
        last = place
        for sign, at in ((1, place), (-1, place - window)):
            if one := by_minute.get(at):
                total[0] += sign * one.delivered
                total[1] += sign * one.bounced
                total[2] += sign * one.deferred
                total[3] += sign * one.delivery_ms_sum
                total[4] += sign * one.delivery_count
        start_s = place * TICK_S
        value, count = measure(MailMinute(minutes[0].at, *total))
        points.append(Point(start_s, start_s + TICK_S, value, count))
    return Track(CLUSTER, points, has_gaps=False)


def _places(by_minute: Mapping[int, MailMinute], window: int) -> Iterator[int]:
    """Yield the minutes in whose window is mail, in order."""
    last = -1
    for place in sorted(by_minute):
        yield from range(max(place, last + 1), place + window)
        last = max(last, place + window - 1)


def _read_blocks(kinds: Sequence[str]) -> Callable[[datetime, datetime, Rule], Sequence[Track]]:
    def read(start: datetime, end: datetime, rule: Rule) -> Sequence[Track]:
        rows = Block.objects.filter(kind__in=kinds, found_at__lt=end).exclude(ended_at__lt=start)
        points: dict[Subject, list[Point]] = {}
        for row in rows.order_by("found_at")[:MAX_BLOCKS]:
            found_s = _to_minute(max(start, row.found_at))
            ended_s = _to_minute(row.ended_at or end)
            of_block = points.setdefault(Subject("block", row.name), [])
            of_block.append(
                Point(found_s, max(ended_s, found_s + TICK_S), float(row.refused_count))
            )
        return [Track(subject, each, has_gaps=False) for subject, each in points.items()]

    return read


def _to_minute(at: datetime) -> int:
    return int(at.timestamp()) // TICK_S * TICK_S


_MEANS = "by means of five minutes"
_MAIL = "by the minute for as long as minutes are kept, before by means of five minutes"
#: Condition → its history. Of others none is kept.
HISTORIES: dict[str, History] = {
    "cpu_high": _samples(catalogue.SYSTEM, _mean("cpu_percent"), _of_node, _MEANS),
    "memory_high": _samples(catalogue.SYSTEM, _mean("ram_used_percent"), _of_node, _MEANS),
    "disk_low": _samples(
        catalogue.SYSTEM, f"100 - {_mean('disk_used_percent')}", _root_disk,
        f"{_MEANS}, of root disks alone, without inodes",
    ),
    "clock_off": _samples(
        catalogue.AGENT, f"abs({_mean('clock_skew_ms')}) / 1000", _of_node,
        f"{_MEANS}, as the agents see it",
    ),
    "spool_filling": _samples(
        catalogue.AGENT, "100 * spool_bytes_sum / nullif(spool_limit_bytes_sum, 0)", _of_node,
        _MEANS,
    ),
    "mongodb_oplog_short": _samples(catalogue.MONGODB, _mean("oplog_window_s"), _of_node, _MEANS),
    "redis_memory": _samples(
        catalogue.REDIS, "100 * used_memory_bytes_sum / nullif(maxmemory_bytes_sum, 0)", _of_node,
        _MEANS,
    ),
    "oldest_waiting": _samples(
        catalogue.MAIL_QUEUE, f"coalesce({_mean('oldest_age_s')}, 0)", _queue, _MEANS,
        "coalesce(nullif(l.database, ''), 'the queue of ' || n.name)",
    ),
    "node_silent": History(
        _read_silences, "by gaps of five minutes between system samples: shorter ones are not seen"
    ),
    **{name: History(_read_mail, _MAIL) for name in MEASURES},
    "provider_blocking": History(_read_blocks(("ip", "provider")), "by the blocks that were found"),
    "sender_refused": History(_read_blocks(("sender", "domain")), "by the blocks that were found"),
}  # fmt: skip
