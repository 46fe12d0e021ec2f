"""Status of the plugins: their processes, the events those dropped, and the counters of Haraka's.
In memory: each process sends it again every 30 s.
"""

import threading
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from agent import clock
from agent.samples import Count, HarakaProcess, PluginHealth

# A process that has sent nothing for as long has ended, or its mail program was stopped.
FRESH_S = 100.0
# A node has tens of them.
MAX_PROCESSES = 500

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]


class PluginStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/readings: one process of one plugin, since it began. `waiting_count`:
    events it still holds because nothing took them."""

    plugin: Name
    process: Name
    dropped_total: Count = 0
    accepted_total: Count = 0
    waiting_count: Count = 0
    haraka: HarakaProcess | None = None


@dataclass(frozen=True)
class _Process:
    health: PluginHealth
    at_s: float  # by the monotonic clock
    haraka: HarakaProcess | None


def parse_status(body: bytes) -> PluginStatus:
    """Return a plugin's status. Raises msgspec.DecodeError or ValidationError."""
    return msgspec.json.decode(body, type=PluginStatus)


class PluginRegistry:
    """The latest of every process, bounded. Used by the receiver's threads and the collectors'."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: dict[str, _Process] = {}  # by name, the least recent first

    def update(self, status: PluginStatus) -> None:
        self._put(status.plugin, status.process, status.dropped_total, status.haraka)

    def note_events(self, plugin: str, process: str, dropped_total: int) -> None:
        """Note that a process sent events; its counters stay as they were."""
        with self._lock:
            known = self._processes.get(process)
        self._put(plugin, process, dropped_total, known.haraka if known else None)

    def haraka_processes(self) -> list[dict[str, Any]]:
        """Return the counters of each process of Haraka that lives, `process` and the drops of its
        plugin (`plugin_dropped_total`) beside them."""
        return [
            {
                "process": process.health.process,
                "plugin_dropped_total": process.health.dropped_total,
                **msgspec.structs.asdict(process.haraka),
            }
            for process in self._fresh()
            if process.haraka is not None
        ]

    def plugins(self) -> list[PluginHealth]:
        """Return every process that lives and reported since the agent began."""
        return [process.health for process in self._fresh()]

    def _put(
        self, plugin: str, name: str, dropped_total: int, haraka: HarakaProcess | None
    ) -> None:
        health = PluginHealth(
            name=plugin, process=name, heard_at=clock.utc_now(), dropped_total=dropped_total
        )
        with self._lock:
            self._processes.pop(name, None)
            self._processes[name] = _Process(health, clock.monotonic_s(), haraka)
            if len(self._processes) > MAX_PROCESSES:
                del self._processes[next(iter(self._processes))]

    def _fresh(self) -> list[_Process]:
        since_s = clock.monotonic_s() - FRESH_S
        with self._lock:
            return [process for process in self._processes.values() if process.at_s >= since_s]
