"""Random samples of every kind, made of the contract's goldens: readings wander, counters restart,
some readings are missing. The same for the same seed."""

import json
import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from server.metrics.catalogue import KINDS
from server.metrics.wire import SAMPLES, Sample
from tests.paths import CONTRACT

COUNTERS = {name for kind in KINDS for name in kind.counters}
#: Names of readings of which each sample has one, or which others are measured by.
ALWAYS = {"source", "active_count", "deferred_count", "zones", "shares", "database"}


def samples(
    start: datetime, end: datetime, *, every: timedelta, nodes: int = 2, seed: int = 1
) -> list[Sample]:
    """Return samples of all kinds, in no order."""
    rng = random.Random(seed)
    times = [start + every * step for step in range(math.ceil((end - start) / every))]
    made = [
        sample
        for node in range(1, nodes + 1)
        for kind in SAMPLES
        for sample in _of_kind(kind, f"mta-0{node}", times, rng)
    ]
    rng.shuffle(made)
    return made


def _of_kind(kind: str, node: str, times: list[datetime], rng: random.Random) -> Iterator[Sample]:
    golden = json.loads((CONTRACT / f"metrics_{kind}.json").read_text())
    counted: dict[str, int] = {}
    for at in times:
        if rng.random() < 0.03:
            counted.clear()  # the program was started anew
        if rng.random() < 0.95:
            sample = golden | {"node_id": node, "timestamp": at}
            for part in {kind, "queue"} & golden.keys():
                sample[part] = _readings(golden[part], counted, rng, whole=kind == "system")
            yield msgspec.convert(sample, SAMPLES[kind])


def _readings(
    golden: dict[str, Any], counted: dict[str, int], rng: random.Random, *, whole: bool
) -> dict[str, Any]:
    readings = dict(golden)
    for name, value in golden.items():
        if not whole and name not in ALWAYS and rng.random() < 0.05:
            readings[name] = [] if name == "deliveries" else None
        elif name in COUNTERS:
            counted[name] = readings[name] = counted.get(name, 0) + rng.randrange(100)
        elif isinstance(value, float):
            readings[name] = rng.uniform(0, 100)
        elif isinstance(value, int) and not isinstance(value, bool):
            readings[name] = rng.randrange(1, 10_000)
    return readings
