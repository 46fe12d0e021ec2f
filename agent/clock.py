"""The only module that reads a clock, so that tests can replace it."""

import time
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present time, aware, UTC."""
    return datetime.now(UTC)


def now_ms() -> int:
    """Return milliseconds since 1970, UTC, by the wall clock."""
    return int(time.time() * 1000)


def monotonic_s() -> float:
    """Return seconds of a clock that never goes back; only differences mean something."""
    return time.monotonic()


def since_boot_s() -> float:
    """Return seconds since the machine started, suspended time included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def from_ms(ms: float) -> datetime:
    """Return the time `ms` milliseconds after 1970, aware, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def to_ms(at: datetime) -> int:
    """Return whole milliseconds since 1970."""
    return int(at.timestamp() * 1000)
