"""Metrics of the server itself. Apps register sources; /metrics and the admin show them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One value. `name` ends in its unit, and in `_total` when it only grows."""

    name: str
    help: str
    value: float
    kind: Literal["gauge", "counter"] = "gauge"
    labels: Mapping[str, str] = field(default_factory=dict)


Source = Callable[[], Iterable[Metric]]
_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    """Add a source, once however often its module is imported."""
    _sources[f"{source.__module__}.{source.__qualname__}"] = source


def collect() -> tuple[list[Metric], list[str]]:
    """Return the metrics of all sources, and the names of the sources that failed."""
    metrics: list[Metric] = []
    failed: list[str] = []
    for name, source in _sources.items():
        try:
            metrics += source()
        except Exception:  # noqa: BLE001 (a failed source must not hide the others)
            failed.append(name)
    return metrics, failed
