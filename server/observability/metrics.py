"""Numbers of the server itself. Rooms register what they know; /metrics and the admin show it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One number. `name` ends in its unit, and in `_total` when it only grows."""

    name: str
    help: str
    value: float
    kind: Literal["gauge", "counter"] = "gauge"
    labels: Mapping[str, str] = field(default_factory=dict)


Source = Callable[[], Iterable[Figure]]
_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    """Add a source, once however often its module is imported."""
    _sources[f"{source.__module__}.{source.__qualname__}"] = source


def ask() -> tuple[list[Figure], list[str]]:
    """Return what the sources say, and the names of those that could not say it."""
    figures: list[Figure] = []
    silent: list[str] = []
    for name, source in _sources.items():
        try:
            figures += source()
        except Exception:  # noqa: BLE001 (a silent source is itself what must be seen)
            silent.append(name)
    return figures, silent
