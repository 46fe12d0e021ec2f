"""What reads the node: one module per source. The registry is explicit: it freezes and greps."""

from agent.collectors.base import Collector
from agent.collectors.system import SystemCollector

COLLECTORS = (SystemCollector,)

__all__ = ["COLLECTORS", "Collector", "SystemCollector"]
