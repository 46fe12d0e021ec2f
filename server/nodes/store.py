"""The only writer of nodes, apart from the admin."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import F
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from server.nodes.models import Node


def register(name: str, details: Mapping[str, Any]) -> Node:
    """Create or renew the node `name` with what its agent says of itself."""
    node, _ = Node.objects.update_or_create(
        name=name, defaults={**details, "registered_at": timezone.now()}
    )
    return node


def node_ids(names: Iterable[str]) -> dict[str, int]:
    """Return the id of each named node, making those that are new (a sample may come first)."""
    wanted = set(names)
    Node.objects.bulk_create([Node(name=name) for name in sorted(wanted)], ignore_conflicts=True)
    return dict(Node.objects.filter(name__in=wanted).values_list("name", "pk"))


def mark_seen(node_id: int, seen_at: datetime) -> None:
    """Move last_seen_at forward, never back: batches may be written out of order."""
    latest = Greatest(Coalesce(F("last_seen_at"), seen_at), seen_at)
    Node.objects.filter(pk=node_id).update(last_seen_at=latest)
