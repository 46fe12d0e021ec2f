"""Collector of Haraka: the reports of its processes, added up.

Haraka has no port with its counters, so nothing is queried: the plugin in each process reports them
every half minute.
"""

from typing import Any

from agent.collectors.base import Collector
from agent.config import Config
from agent.errors import SourceAbsent
from agent.parsers.values import count, text
from agent.samples import HarakaReadings
from agent.status import AgentStatus

NOT_SUMMED = {"version", "processes_count", "uptime_s"}
SUMMED = [name for name in HarakaReadings.__struct_fields__ if name not in NOT_SUMMED]


def combine(processes: list[dict[str, Any]]) -> HarakaReadings:
    """Return the readings of all processes as one. Pure."""
    sums = {name: sum(count(process.get(name)) or 0 for process in processes) for name in SUMMED}
    uptimes = [count(process.get("uptime_s")) or 0 for process in processes]
    # During an upgrade two versions may run: the newest process has the new one.
    newest = processes[uptimes.index(min(uptimes))]
    return HarakaReadings(
        version=text(newest.get("version"), limit=40),
        processes_count=len(processes),
        uptime_s=max(uptimes),
        **sums,
    )


class HarakaCollector(Collector):
    """Collects the last report of each running process."""

    name = "haraka"

    def __init__(self, config: Config, status: AgentStatus) -> None:
        self._node = config.node_id
        self._status = status

    def collect(self) -> bytes:
        processes = self._status.plugins.haraka_processes()
        if not processes:
            raise SourceAbsent("no plugin of Haraka reported lately")
        return self._encode(haraka=combine(processes))
