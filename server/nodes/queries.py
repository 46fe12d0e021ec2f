"""Questions about nodes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Q
from django.utils import timezone

from server.nodes.models import Node


@dataclass(frozen=True)
class Reporting:
    """How many nodes report. `heard_at`: when the newest sample of any came, None: never."""

    known: int
    reporting: int
    heard_at: datetime | None


def reporting() -> Reporting:
    """Return how many nodes sent a sample within NODE_OFFLINE_AFTER_S seconds."""
    since = timezone.now() - timedelta(seconds=settings.NODE_OFFLINE_AFTER_S)
    row = Node.objects.aggregate(
        known=Count("pk"),
        reporting=Count("pk", filter=Q(last_seen_at__gte=since)),
        heard_at=Max("last_seen_at"),
    )
    return Reporting(**row)
