"""Queries of nodes and of their changes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, Max, Q
from django.db.models.functions import Greatest
from django.utils import timezone

from server.nodes.models import HOST, Change, Node

#: The last sign of life; NULLs are left out of it.
CONTACT_AT = Greatest("last_seen_at", "received_at")
NOTHING = timedelta()


@dataclass(frozen=True)
class Reporting:
    """Number of nodes that report. `newest_sample_at`: arrival of the newest sample, None: never.

    `silent`: name and last sign of life of the nodes that do not report, longest silent first.
    """

    known: int
    reporting: int
    newest_sample_at: datetime | None
    silent: tuple[tuple[str, datetime | None], ...] = ()


def reporting(*, unstored: timedelta = NOTHING) -> Reporting:
    """Return how many nodes sent anything within NODE_OFFLINE_AFTER_S seconds.

    Nodes in maintenance and retired ones are left out: their silence is expected. `unstored`: how
    far back accepted samples may not be stored yet; no node is silent for being in there.
    """
    since = timezone.now() - timedelta(seconds=settings.NODE_OFFLINE_AFTER_S) - unstored
    expected = Node.objects.filter(in_maintenance=False, retired_at=None)
    expected = expected.annotate(alive_at=CONTACT_AT)
    late = Q(alive_at__lt=since) | Q(alive_at=None)
    longest_first = [F("alive_at").asc(nulls_first=True), F("name").asc()]
    row = expected.aggregate(
        known=Count("pk"),
        reporting=Count("pk", filter=Q(alive_at__gte=since)),
        newest_sample_at=Max("last_seen_at"),
        names=ArrayAgg("name", filter=late, order_by=longest_first, default=[]),
        times=ArrayAgg("alive_at", filter=late, order_by=longest_first, default=[]),
    )
    silent = tuple(zip(row.pop("names"), row.pop("times"), strict=True))
    return Reporting(**row, silent=silent)


@dataclass(frozen=True)
class NodeChange:
    """One change of a node, as models.Change. A silence without an end goes on."""

    node: str
    kind: str
    subject: str
    at: datetime
    ended_at: datetime | None = None
    before: str = ""
    after: str = ""


def changes(
    start: datetime, end: datetime, *, now: datetime, limit: int, node: str | None = None
) -> list[NodeChange]:
    """Return the changes of nodes in [start, end), oldest first; of more than `limit` the newest.

    A silence counts when any part of it lies in the range, ongoing ones included. Retired nodes are
    left out unless one is named. Two queries.
    """
    of_node = Q(node__name=node) if node is not None else Q(node__retired_at=None)
    in_range = Q(at__gte=start) | Q(ended_at__gt=start)
    rows = Change.objects.filter(of_node, in_range, at__lt=end)
    rows = rows.exclude(kind=Change.Kind.VERSION, before="").order_by("-at", "-pk")
    fields = ("node__name", "kind", "subject", "at", "ended_at", "before", "after")
    changes = [NodeChange(*row) for row in rows.values_list(*fields)[:limit]]
    silent = Node.objects.filter(Q(name=node) if node is not None else Q(), retired_at=None)
    since = now - timedelta(seconds=settings.NODE_OFFLINE_AFTER_S)
    silent = silent.annotate(alive_at=CONTACT_AT)
    silent = silent.filter(alive_at__lt=min(since, end)).order_by("-alive_at")
    changes += [
        NodeChange(name, Change.Kind.SILENT.value, HOST, at)
        for name, at in silent.values_list("name", "alive_at")[:limit]
        if at is not None
    ]
    return sorted(changes, key=lambda change: change.at)[-limit:]


def unknown_names(names: Collection[str]) -> set[str]:
    """Return those of `names` that are no node's."""
    return set(names) - set(Node.objects.filter(name__in=names).values_list("name", flat=True))
