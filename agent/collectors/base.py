"""Base class of the collectors."""

import logging
from collections.abc import Sequence

import msgspec

from agent import clock

logger = logging.getLogger(__name__)


class Collector:
    """Reads one source. Used by one thread only. `unreadable_total`: lines of its answers that
    could not be read since it was made."""

    name: str
    unreadable_total = 0
    _node: str

    def collect(self) -> bytes:
        """Return one sample as JSON. Raises CollectError, SourceAbsent without the program."""
        raise NotImplementedError

    def close(self) -> None:
        """Close connections. The next `collect` opens new ones."""

    def _note_unreadable(self, lines: Sequence[str]) -> None:
        """Count lines; log the first that there ever is."""
        if lines and not self.unreadable_total:
            logger.warning(
                "%d lines of the metrics of %s cannot be read; their values are unknown, and the"
                " lines are counted. The first: %s",
                len(lines),
                self.name,
                lines[0],
            )
        self.unreadable_total += len(lines)

    def _encode(self, **readings: msgspec.Struct | None) -> bytes:
        sample = {"node_id": self._node, "timestamp": clock.utc_now(), **readings}
        return msgspec.json.encode(sample)
