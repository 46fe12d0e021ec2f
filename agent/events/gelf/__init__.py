"""Records that Haraka, WildDuck and ZoneMTA send as GELF datagrams."""

from agent.events.gelf.receiver import GelfReceiver

__all__ = ["GelfReceiver"]
