"""The only writer of samples."""

from collections.abc import Sequence

from django.db import transaction

from server.metrics.mapping import system_values
from server.metrics.models import SystemSample
from server.metrics.wire import SystemSample as WireSample
from server.nodes import store as nodes


def write_system_samples(samples: Sequence[WireSample]) -> None:
    """Store samples, each once however often it comes. Raises django.db.Error, then stores none."""
    ids = nodes.node_ids(sample.node_id for sample in samples)
    with transaction.atomic():
        SystemSample.objects.bulk_create(
            [
                SystemSample(node_id=ids[s.node_id], time=s.timestamp, **system_values(s))
                for s in samples
            ],
            ignore_conflicts=True,
        )
