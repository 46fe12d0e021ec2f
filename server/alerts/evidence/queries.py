"""Queries of evidence: the metric of an alert over time, and the first events behind it. Each reads
a bounded time and a bounded number of rows."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from server.alerts.conditions.condition import Rule
from server.alerts.evidence.metrics import (
    Metric,
    OfContacts,
    OfDeliveries,
    OfFileSystem,
    OfMail,
    OfSamples,
    OfShares,
    find_events,
    find_metric,
)
from server.alerts.evidence.series import (
    Mark,
    Point,
    add_gaps,
    blank_unknown,
    build_marks,
    build_points,
    build_silence,
    find_events_span,
    find_span,
)
from server.alerts.models import Alert, AlertTransition
from server.events import queries as events
from server.mailqueues.queries import shares_of_node
from server.metrics.catalogue import SYSTEM
from server.nodes.models import Node
from server.rollups.mail import queries as mail
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import (
    MAX_HOURLY_MAIL,
    UTC_ZONE,
    BadRange,
    Buckets,
    Span,
    chart_width,
    plan_counts,
    plan_samples,
)
from server.rollups.retention import oldest_counts, oldest_samples
from server.rollups.samples import queries as samples
from server.rollups.samples.queries import Chosen
from server.timescale.rows import fetch_rows

#: Events that the page of an incident shows; more of them are one link away.
MAX_EVENTS = 5
#: A search for them that takes longer is given up: the link is still there.
MAX_SEARCH_MS = 1_000
#: Of readings that are looked up one by one: how close, and how many.
MIN_STEP, MAX_STEPS = timedelta(seconds=15), 300
#: Samples whose times are read: more than a day of them.
MAX_CONTACTS = 6_000
CONTACTS = """SELECT time FROM metrics_system
WHERE node_id = (SELECT id FROM nodes_node WHERE name = %(node)s)
  AND time >= %(start)s AND time < %(end)s
ORDER BY time DESC LIMIT %(limit)s"""
#: Samples of a file system that is no root are read one by one: those of so long.
MAX_LISTED = timedelta(days=7)
FULLEST_OF_POINT = """SELECT width_bucket(time, %(edges)s::timestamptz[]) - 1,
  max(greatest((listed ->> 'used_percent')::float, (listed ->> 'inodes_used_percent')::float))
FROM metrics_system, jsonb_path_query_first(
  file_systems, '$[*] ? (@.mount_point == $point)', %(point)s::jsonb) AS listed
WHERE node_id = (SELECT id FROM nodes_node WHERE name = %(node)s)
  AND time >= %(start)s AND time < %(end)s AND listed IS NOT NULL
GROUP BY 1"""
Values = dict[int, float | None]


@dataclass(frozen=True)
class Evidence:
    """The metric of an alert over time, with the thresholds of its rule and the flips.

    `threshold`, `clear`: None where the rule has none of this figure, or is gone.
    """

    metric: Metric
    buckets: Buckets
    points: list[Point]
    marks: list[Mark]
    threshold: float | None
    clear: float | None


def read_evidence(
    alert: Alert, flips: Iterable[AlertTransition], rule: Rule | None, now: datetime
) -> Evidence | None:
    """Return the evidence of an alert; at most two queries. None: no figure shows it, or what did
    is not kept any more."""
    metric = find_metric(rule.condition.name, alert.subject) if rule else None
    if rule is None or metric is None:
        return None
    try:
        buckets = _plan(metric, find_span(alert, now))
    except BadRange:
        return None
    marks = build_marks(alert, flips)
    points = blank_unknown(_read(metric, alert.node, buckets, now), marks, buckets.end)
    figures = rule.values if metric.is_judged else {}
    return Evidence(metric, buckets, points, marks, figures.get("threshold"), figures.get("clear"))


def _plan(metric: Metric, span: Span) -> Buckets:
    """Return the buckets of a metric. Raises BadRange."""
    if not isinstance(metric.source, OfMail | OfDeliveries):
        kind = metric.source.kind if isinstance(metric.source, OfSamples) else SYSTEM
        return plan_samples(span, width=None, oldest=oldest_samples(kind, span.now))
    width = chart_width(span.end - span.start, hourly_up_to=MAX_HOURLY_MAIL)
    oldest = oldest_counts(span.now)
    try:
        return plan_counts(span, width=width, zone=UTC_ZONE, oldest=oldest)
    except BadRange:
        return plan_counts(span, width=None, zone=UTC_ZONE, oldest=oldest)


def _read(metric: Metric, node: str, buckets: Buckets, now: datetime) -> list[Point]:
    source = metric.source
    if isinstance(source, OfContacts):
        return build_silence(_read_contacts(node, buckets), min(buckets.end, now))
    if isinstance(source, OfShares):
        return _read_shares(node, buckets)
    if isinstance(source, OfSamples):
        values = _read_samples(source, node, buckets)
    elif isinstance(source, OfFileSystem):
        values = _read_file_system(source.mount_point, node, buckets)
    elif isinstance(source, OfMail):
        values = _read_mail(source, metric.value, buckets)
    else:
        times = mail.delivery_times(LevelQuery.of(buckets, "outbound"))
        means = {row.bucket: row.times.average_ms for row in times}
        values = {place: ms / 1_000 for place, ms in means.items() if ms is not None}
    return build_points(buckets.edges, values, now)


def _read_contacts(node: str, buckets: Buckets) -> list[datetime]:
    """Return when the newest samples of a node were taken, oldest first."""
    values = {"node": node, "start": buckets.start, "end": buckets.end, "limit": MAX_CONTACTS}
    return [at for (at,) in reversed(fetch_rows(CONTACTS, values))]


def _read_samples(source: OfSamples, node: str, buckets: Buckets) -> Values:
    values: Values = {}
    suffix = "_max" if source.of_highest else ""
    for row in samples.series(source.kind, buckets, Chosen(source.gauges), node=node or None):
        figures = [row.readings[f"{name}{suffix}"] for name in source.gauges]
        value = None if None in figures else source.compute(*figures)
        if value is not None:
            values[row.bucket] = max(value, values.get(row.bucket) or value)
    return values


def _read_file_system(mount_point: str, node: str, buckets: Buckets) -> Values:
    """Return by bucket how much was free of a file system, of bytes or inodes, at its fullest."""
    values = {
        "edges": list(buckets.edges),
        "point": json.dumps({"point": mount_point}),
        "node": node,
        "start": max(buckets.start, buckets.end - MAX_LISTED),
        "end": buckets.end,
    }
    return {place: 100 - used for place, used in fetch_rows(FULLEST_OF_POINT, values)}


def _read_mail(source: OfMail, value: str, buckets: Buckets) -> Values:
    query = LevelQuery.of(buckets, "outbound", source.dimension)
    named = None if source.dimension == "all" else [value]
    events_of: list[dict[str, int]] = [{} for _ in buckets.edges[1:]]
    for count in mail.counts(query, values=named):
        events_of[count.bucket][count.event_type] = count.events
    return {place: source.compute(counts) for place, counts in enumerate(events_of)}


def _read_shares(node: str, buckets: Buckets) -> list[Point]:
    """Return how many wait for a node: all of the queue where nobody knows whose they are."""
    pk = Node.objects.filter(name=node).values_list("pk", flat=True).first()
    if pk is None:
        return []
    step = max(MIN_STEP, (buckets.end - buckets.start) / MAX_STEPS)
    count = (buckets.end - buckets.start) // step + 1
    edges = [buckets.start + i * step for i in range(count + 1)]
    shares = shares_of_node(pk, edges, alone=True)
    return add_gaps((each.read_at, each.own_count) for each in shares.values() if each.read_at)


def find_first_events(
    alert: Alert, rule: Rule | None, now: datetime
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Return the values of the events behind an alert, and the newest few of them."""
    condition = rule.condition.name if rule else ""
    filters = find_events(condition, alert.subject, alert.node, alert.evidence)
    if not filters:
        return {}, []
    filters = {"direction": "outbound", **filters}
    start, end = find_events_span(alert, now)
    found = events.search_within(MAX_SEARCH_MS, start, end, filters, limit=MAX_EVENTS)
    return filters, found or []
