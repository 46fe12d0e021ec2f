"""Base class of the collectors."""

from collections.abc import Callable
from typing import Any

import msgspec

from agent import clock
from agent.samples import Sample


class Collector:
    """Reads one source. Used by one thread only."""

    name: str
    _node: str

    def collect(self) -> bytes:
        """Return one sample as JSON. Raises CollectError, SourceAbsent without the program."""
        raise NotImplementedError

    def close(self) -> None:
        """Close connections. The next `collect` opens new ones."""

    def _encode(self, sample: Callable[..., Sample], **readings: Any) -> bytes:
        made = sample(node_id=self._node, timestamp=clock.utc_now(), **readings)
        return msgspec.json.encode(made)
