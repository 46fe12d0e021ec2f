"""Metrics of nodes: how many are expected to report, and how many do."""

from collections.abc import Iterator

from server.nodes.queries import reporting
from server.observability.metrics import Metric


def nodes() -> Iterator[Metric]:
    """Count nodes. Raises django.db.Error."""
    counts = reporting()
    yield Metric("mallard_nodes", "Nodes that are expected to report.", counts.known)
    yield Metric("mallard_nodes_reporting", "Nodes that reported lately.", counts.reporting)
