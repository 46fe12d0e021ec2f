"""Collectors: one module per program. The registry is explicit, so it freezes and greps."""

from agent.collectors.agent import AgentCollector
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
from agent.status import AgentStatus


def build_collectors(config: Config, status: AgentStatus | None = None) -> tuple[Collector, ...]:
    """Return the collectors of this node, the machine's first. `status`: of the running agent."""
    status = status or AgentStatus()
    return (
        SystemCollector(
            node=config.node_id,
            programs=programs_of(config.node_role),
            port_changes=config.discovery.ports,
            api_ports=config.discovery.api_ports,
            status=status,
        ),
        ZoneMtaCollector(config, status),
        WildDuckCollector(config),
        HarakaCollector(config, status),
        RspamdCollector(config),
        RedisCollector(config),
        MongoCollector(config),
        AgentCollector(config, status),
    )


__all__ = ["Collector", "SystemCollector", "ZoneMtaCollector", "build_collectors"]
