"""Collector of the agent itself: its process and the state of its parts."""

import msgspec
import psutil

from agent import __version__, clock
from agent.collectors.base import Collector
from agent.config import Config
from agent.samples import AgentReadings
from agent.status import AgentStatus

MAX_PLUGINS = 100
MAX_RECONCILIATIONS = 50


class AgentCollector(Collector):
    """Collects the agent's own health."""

    name = "agent"

    def __init__(self, config: Config, status: AgentStatus) -> None:
        self._node = config.node_id
        self._status = status
        self._process = psutil.Process()
        self._began_s = clock.monotonic_s()
        self._before: tuple[float, float] | None = None  # time and processor seconds

    def collect(self) -> bytes:
        status = self._status
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
            **msgspec.structs.asdict(status.spool_health()),
            **status.send_health(),
            sources=status.source_health(),
            plugins=status.plugins.plugins()[:MAX_PLUGINS],
            reconciliation=status.reconciler.lines()[:MAX_RECONCILIATIONS],
        )
        return self._encode(agent=readings)

    def _cpu_percent(self, used_s: float) -> float | None:
        now_s = clock.monotonic_s()
        before, self._before = self._before, (now_s, used_s)
        if before is None or now_s <= before[0]:
            return None
        return round(100 * max(used_s - before[1], 0.0) / (now_s - before[0]), 2)
