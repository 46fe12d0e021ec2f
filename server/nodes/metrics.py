"""What this room tells: how many nodes are expected, and how many of them report."""

from collections.abc import Iterator

from server.nodes.queries import reporting
from server.observability.metrics import Figure


def nodes() -> Iterator[Figure]:
    """Count nodes. Raises django.db.Error."""
    found = reporting()
    yield Figure("mallard_nodes", "Nodes that are expected to report.", found.known)
    yield Figure("mallard_nodes_reporting", "Nodes heard from lately.", found.reporting)
