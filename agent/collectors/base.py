"""Interface of a collector."""

from typing import Protocol


class Collector(Protocol):
    """Reads one source. Used by one thread only."""

    name: str

    def collect(self) -> bytes:
        """Return one sample as JSON. Raises CollectError."""
        ...

    def close(self) -> None:
        """Close connections. The next `collect` opens new ones."""
        ...
