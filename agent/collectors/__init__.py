"""What reads the node: one module per source. The registry is explicit: it freezes and greps."""

from agent.collectors.base import Collector
from agent.collectors.system import SystemCollector
from agent.collectors.zonemta import ZoneMtaCollector
from agent.config import Config
from agent.roles import programs_of


def collectors(config: Config) -> tuple[Collector, ...]:
    """Return the collectors of this node, the machine's first."""
    return (
        SystemCollector(
            node=config.node_id,
            programs=programs_of(config.node_role),
            more_ports=config.discovery.ports,
        ),
        ZoneMtaCollector(config),
    )


__all__ = ["Collector", "SystemCollector", "ZoneMtaCollector", "collectors"]
