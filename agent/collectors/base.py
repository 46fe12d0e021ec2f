"""What a collector is."""

from typing import Protocol


class Collector(Protocol):
    """Reads one source. Used by one thread only."""

    name: str

    def collect(self) -> bytes:
        """Return one sample as JSON. Raises CollectError."""
        ...

    def close(self) -> None:
        """Let go of connections. The next collect makes new ones."""
        ...
