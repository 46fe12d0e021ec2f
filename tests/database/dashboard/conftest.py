"""Fixtures that store what the pages show."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from server.events.mapping import to_line
from server.metrics.wire import SAMPLES
from server.nodes import store as nodes
from server.storage.samples_writer import write_samples
from server.storage.transaction import write_events
from tests.factories import row


@pytest.fixture
def store_sample(db: None, golden: Any) -> Any:
    """Store the contract's sample of a kind, taken `ago` before now; keywords replace readings."""

    def store(
        kind: str, *, node: str = "mta-01", ago: timedelta = timedelta(), **readings: Any
    ) -> None:
        at = timezone.now() - ago
        sample = golden(f"metrics_{kind}.json") | {"node_id": node, "timestamp": at.isoformat()}
        part = "queue" if kind == "zonemta" else kind
        sample |= {name: readings.pop(name) for name in ("services",) if name in readings}
        sample[part] |= readings
        write_samples([msgspec.json.decode(json.dumps(sample), type=SAMPLES[kind])])
        if kind == "system":
            nodes.mark_seen(nodes.node_ids([node])[node], at)

    return store


@pytest.fixture
def store_events(db: None) -> Any:
    """Store events of `ago` before now; return their ids."""

    def store(*events: dict[str, Any], ago: timedelta = timedelta(), **fields: Any) -> list[Any]:
        at = timezone.now() - ago
        rows = [row(occurred_at=at, **fields) | event for event in events or ({},)]
        write_events([to_line(each) for each in rows])
        return [each["event_id"] for each in rows]

    return store
