"""Base class of the collectors."""

import msgspec

from agent import clock


class Collector:
    """Reads one source. Used by one thread only."""

    name: str
    _node: str

    def collect(self) -> bytes:
        """Return one sample as JSON. Raises CollectError, SourceAbsent without the program."""
        raise NotImplementedError

    def close(self) -> None:
        """Close connections. The next `collect` opens new ones."""

    def _encode(self, **readings: msgspec.Struct | None) -> bytes:
        sample = {"node_id": self._node, "timestamp": clock.utc_now(), **readings}
        return msgspec.json.encode(sample)
