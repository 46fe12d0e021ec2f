"""Can this installation do its work? Rooms register what they depend on; /health/ready asks.

Each probe answers within a second or two, whatever has happened to what it looks at.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: How long a probe waits for what it looks at.
TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Finding:
    """What one probe found. `text` says in words what is there, or what is wrong.

    `needed`: without it this process can serve nobody. Otherwise the server is degraded: it takes
    and shows, but something does not go on.
    """

    name: str
    ok: bool
    text: str
    needed: bool = True
    figures: dict[str, Any] = field(default_factory=dict)


Probe = Callable[[], Finding]
_probes: dict[str, Probe] = {}


def register(probe: Probe) -> None:
    """Add a probe, once however often its module is imported."""
    _probes[f"{probe.__module__}.{probe.__qualname__}"] = probe


def ask() -> list[Finding]:
    """Ask every probe. One that fails itself is a finding too."""
    return [_ask(probe) for probe in _probes.values()]


def _ask(probe: Probe) -> Finding:
    try:
        return probe()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what is wrong)
        name = probe.__name__.replace("_", " ")
        return Finding(name, ok=False, text=f"{type(error).__name__}: {error}".strip())
