"""What the plugins say of themselves: which processes there are, what they dropped, and of Haraka
its counters. In memory: each process says it again every 30 s.
"""

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from agent import clock

# A process that has said nothing for as long has ended, or its mail program was stopped.
FRESH_S = 100.0
# Known at most; a node has tens of them.
MOST_PROCESSES = 500

Count = Annotated[int, Meta(ge=0, le=2**53)]
Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class HarakaProcess(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one process of Haraka since it began. A total is the sum over processes."""

    version: Annotated[str, Meta(max_length=40)] | None = None
    uptime_s: Count
    connections_total: Count
    connections_current_count: Count
    transactions_total: Count
    recipients_delivered_total: Count
    recipients_rejected_total: Count
    recipients_greylisted_total: Count
    recipients_deferred_total: Count
    memory_rss_bytes: Count


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/readings: one process of one plugin, since it began. `waiting_count`:
    events it still keeps, for want of somebody who takes them."""

    plugin: Name
    process: Name
    dropped_total: Count = 0
    accepted_total: Count = 0
    waiting_count: Count = 0
    haraka: HarakaProcess | None = None


@dataclass(frozen=True)
class _Heard:
    plugin: str
    process: str
    dropped_total: int
    at_s: float  # by the monotonic clock
    at: datetime
    haraka: HarakaProcess | None


def read_said(body: bytes) -> Said:
    """Return what a plugin says of itself. Raises msgspec.DecodeError or ValidationError."""
    return msgspec.json.decode(body, type=Said)


class PluginReadings:
    """The latest of every process, bounded. Used by the receiver's threads and the collectors'."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: dict[str, _Heard] = {}  # by process, longest unheard first

    def take(self, said: Said) -> None:
        """Keep what a process says of itself."""
        self._keep(said.plugin, said.process, said.dropped_total, said.haraka)

    def heard(self, plugin: str, process: str, dropped_total: int) -> None:
        """Note that a process was heard from with events; its counters stay as they were."""
        with self._lock:
            known = self._heard.get(process)
        self._keep(plugin, process, dropped_total, known.haraka if known else None)

    def haraka(self) -> list[dict[str, Any]]:
        """Return the counters of each process of Haraka that lives, `process` and what its plugin
        dropped (`plugin_dropped_total`) beside them."""
        return [
            {
                "process": heard.process,
                "plugin_dropped_total": heard.dropped_total,
                **msgspec.structs.asdict(heard.haraka),
            }
            for heard in self._fresh()
            if heard.haraka is not None
        ]

    def plugins(self) -> list[dict[str, Any]]:
        """Return every process heard from since the agent began that lives, as the agent's health
        sample has them."""
        return [
            {
                "name": heard.plugin,
                "process": heard.process,
                "heard_at": heard.at,
                "dropped_total": heard.dropped_total,
            }
            for heard in self._fresh()
        ]

    def _keep(
        self, plugin: str, process: str, dropped_total: int, haraka: HarakaProcess | None
    ) -> None:
        heard = _Heard(plugin, process, dropped_total, clock.monotonic_s(), clock.utc_now(), haraka)
        with self._lock:
            self._heard.pop(process, None)
            self._heard[process] = heard
            if len(self._heard) > MOST_PROCESSES:
                del self._heard[next(iter(self._heard))]

    def _fresh(self) -> list[_Heard]:
        since_s = clock.monotonic_s() - FRESH_S
        with self._lock:
            return [heard for heard in self._heard.values() if heard.at_s >= since_s]
