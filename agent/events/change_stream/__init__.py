"""ZoneMTA's database, followed by its change stream: documents in, events out."""

from agent.events.change_stream.stream import ChangeStream

__all__ = ["ChangeStream"]
