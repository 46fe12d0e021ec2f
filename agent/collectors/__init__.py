"""What reads the node: one module per source. The registry is explicit: it freezes and greps."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from agent.collectors.agent import AgentCollector, Parts
from agent.collectors.base import Collector
from agent.collectors.haraka import HarakaCollector
from agent.collectors.mongodb import MongoCollector
from agent.collectors.redis import RedisCollector
from agent.collectors.rspamd import RspamdCollector
from agent.collectors.system import SystemCollector
from agent.collectors.wildduck import WildDuckCollector
from agent.collectors.zonemta import ZoneMtaCollector
from agent.config import Config
from agent.roles import programs_of
from agent.wire import ZoneMtaReadings


def collectors(
    config: Config,
    *,
    found: Callable[[], tuple[str, ...]] = tuple,
    haraka: Callable[[], list[dict[str, Any]]] = list,
    parts: Parts | None = None,
    counters: Callable[[ZoneMtaReadings, datetime], None] = lambda _readings, _at: None,
) -> tuple[Collector, ...]:
    """Return the collectors of this node, the machine's first. `found`: the programs that were
    found here; `haraka`: what its plugin's processes said last; `parts`: who tells of the agent
    itself; `counters`: who is told what ZoneMTA counted, and when."""
    return (
        SystemCollector(
            node=config.node_id,
            programs=programs_of(config.node_role),
            found=found,
            more_ports=config.discovery.ports,
        ),
        ZoneMtaCollector(config, counters),
        WildDuckCollector(config),
        HarakaCollector(config, haraka),
        RspamdCollector(config),
        RedisCollector(config),
        MongoCollector(config),
        AgentCollector(config, parts),
    )


__all__ = ["Collector", "Parts", "SystemCollector", "ZoneMtaCollector", "collectors"]
