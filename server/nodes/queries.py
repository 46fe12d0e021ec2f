"""Questions about nodes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, F, Max, Q
from django.utils import timezone

from server.nodes.models import Node

#: So many silent nodes are named, longest silent first; the others are only counted.
SILENT_NAMED = 3


@dataclass(frozen=True)
class Reporting:
    """How many nodes report. `heard_at`: when the newest sample of any came, None: never.

    `silent`: name and last_seen_at of the nodes that do not report, a few of them.
    """

    known: int
    reporting: int
    heard_at: datetime | None
    silent: tuple[tuple[str, datetime | None], ...] = ()


def reporting() -> Reporting:
    """Return how many nodes sent a sample within NODE_OFFLINE_AFTER_S seconds.

    Nodes in maintenance and retired ones are left out: their silence is expected.
    """
    since = timezone.now() - timedelta(seconds=settings.NODE_OFFLINE_AFTER_S)
    expected = Node.objects.filter(in_maintenance=False, retired_at=None)
    row = expected.aggregate(
        known=Count("pk"),
        reporting=Count("pk", filter=Q(last_seen_at__gte=since)),
        heard_at=Max("last_seen_at"),
    )
    silent: tuple[tuple[str, datetime | None], ...] = ()
    if row["reporting"] < row["known"]:
        late = expected.filter(Q(last_seen_at__lt=since) | Q(last_seen_at=None))
        late = late.order_by(F("last_seen_at").asc(nulls_first=True), "name")
        silent = tuple(late.values_list("name", "last_seen_at")[:SILENT_NAMED])
    return Reporting(**row, silent=silent)
