"""Haraka: what its processes told of themselves through the plugin, taken together.

Haraka has no port that tells its counters, so nothing is asked: the plugin in each process says
them every half minute.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from agent import clock
from agent.config import Config
from agent.errors import SourceAbsent
from agent.parsers.values import count, text
from agent.samples import HarakaReadings, HarakaSample

SUMMED = (
    "connections_total",
    "connections_current_count",
    "transactions_total",
    "recipients_delivered_total",
    "recipients_rejected_total",
    "recipients_greylisted_total",
    "recipients_deferred_total",
    "memory_rss_bytes",
    "plugin_dropped_total",
)


def together(processes: list[dict[str, Any]]) -> HarakaReadings:
    """Return the readings of all processes as one. Pure."""
    sums = {name: sum(count(its.get(name)) or 0 for its in processes) for name in SUMMED}
    # While it is upgraded two versions may run: the newest process says which is coming.
    newest = min(processes, key=lambda its: count(its.get("uptime_s")) or 0)
    return HarakaReadings(
        version=text(newest.get("version"), limit=40),
        processes_count=len(processes),
        uptime_s=max(count(its.get("uptime_s")) or 0 for its in processes),
        **sums,
    )


class HarakaCollector:
    """Reads the plugins' own words. `processes`: gives the latest of each process that lives."""

    name = "haraka"

    def __init__(self, config: Config, processes: Callable[[], list[dict[str, Any]]]) -> None:
        self._node = config.node_id
        self._processes = processes

    def collect(self) -> bytes:
        """Return one sample as JSON. Raises SourceAbsent when no plugin says anything."""
        processes = self._processes()
        if not processes:
            raise SourceAbsent("no plugin of Haraka was heard from lately")
        sample = HarakaSample(
            node_id=self._node, timestamp=clock.utc_now(), haraka=together(processes)
        )
        return msgspec.json.encode(sample)

    def close(self) -> None:
        """Nothing is kept open."""
