"""Probes of /health/ready. Apps register one for each thing they depend on.

Each probe answers within a second or two, whatever has happened to its subject.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis

#: How long a probe waits for an answer.
TIMEOUT_S = 2.0


@dataclass(frozen=True)
class ProbeResult:
    """The result of one probe. `text` describes the state, or the problem.

    `needed`: without it this process can serve no request. Otherwise the server is degraded: it
    serves, but some work is not being done.
    """

    name: str
    ok: bool
    text: str
    needed: bool = True
    figures: dict[str, Any] = field(default_factory=dict)


def probe_client(url: str) -> "redis.Redis":
    """Return a client that waits for TIMEOUT_S at most; to be closed by whoever asked."""
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


#: None: there is nothing of the kind here.
Probe = Callable[[], ProbeResult | None]
_probes: dict[str, Probe] = {}


def register(probe: Probe) -> None:
    """Add a probe, once however often its module is imported."""
    _probes[f"{probe.__module__}.{probe.__qualname__}"] = probe


def run_probes() -> list[ProbeResult]:
    """Run every probe. One that raises is a failed result too."""
    return [result for result in map(_run, _probes.values()) if result]


def _run(probe: Probe) -> ProbeResult | None:
    try:
        return probe()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is the problem)
        name = probe.__name__.replace("_", " ")
        return ProbeResult(name, ok=False, text=f"{type(error).__name__}: {error}".strip())
