"""The agent itself: what it costs, what it could not read, what waits, what was lost.

Each part of the agent hands over a function that tells its own figures; `once` has none of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import psutil

from agent import __version__, clock
from agent.config import Config
from agent.samples import (
    AgentReadings,
    AgentSample,
    PluginHealth,
    Reconciliation,
    SendHealth,
    SourceHealth,
    SpoolHealth,
)

MOST_PLUGINS = 100
MOST_RECONCILED = 50
_SPOOL = dict.fromkeys(SpoolHealth.__struct_fields__)
_SENDS = dict.fromkeys(SendHealth.__struct_fields__)


@dataclass
class Parts:
    """Who tells what. Filled by the wiring; each is called in the collector's thread."""

    sources: Callable[[], Sequence[SourceHealth]] = lambda: ()
    spool: Callable[[], SpoolHealth | None] = lambda: None
    sends: Callable[[], SendHealth | None] = lambda: None
    plugins: Callable[[], Sequence[PluginHealth]] = lambda: ()
    reconciliation: Callable[[], Sequence[Reconciliation]] = lambda: ()


class AgentCollector:
    """Reads the agent's own process and asks its parts."""

    name = "agent"

    def __init__(self, config: Config, parts: Parts | None = None) -> None:
        self._node = config.node_id
        self._parts = parts or Parts()
        self._process = psutil.Process()
        self._began_s = clock.monotonic_s()
        self._before: tuple[float, float] | None = None  # when, and processor seconds

    def collect(self) -> bytes:
        """Return one sample as JSON."""
        parts = self._parts
        spool, sends = parts.spool(), parts.sends()
        with self._process.oneshot():
            memory = self._process.memory_info().rss
            threads = self._process.num_threads()
            used = self._process.cpu_times()
        readings = AgentReadings(
            version=__version__,
            uptime_s=int(clock.monotonic_s() - self._began_s),
            memory_rss_bytes=memory,
            cpu_percent=self._cpu_percent(used.user + used.system),
            threads_count=threads,
            **(msgspec.structs.asdict(spool) if spool else _SPOOL),
            **(msgspec.structs.asdict(sends) if sends else _SENDS),
            sources=list(parts.sources()),
            plugins=list(parts.plugins())[:MOST_PLUGINS],
            reconciliation=list(parts.reconciliation())[:MOST_RECONCILED],
        )
        sample = AgentSample(node_id=self._node, timestamp=clock.utc_now(), agent=readings)
        return msgspec.json.encode(sample)

    def close(self) -> None:
        """Nothing is kept open."""

    def _cpu_percent(self, used_s: float) -> float | None:
        now_s = clock.monotonic_s()
        before, self._before = self._before, (now_s, used_s)
        if before is None or now_s <= before[0]:
            return None
        return round(100 * max(used_s - before[1], 0.0) / (now_s - before[0]), 2)
