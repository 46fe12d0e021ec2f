"""The only module that reads a clock, so that tests can replace it."""

import time
import uuid
from datetime import UTC, datetime
from functools import cache
from pathlib import Path


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


def offset_ms() -> int:
    """Return how much the wall clock differs from the time since the start: it changes when the
    clock is set, and when a virtual machine stood still."""
    return round((time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) * 1000)


@cache
def boot_id() -> str:
    """Return the name of this start of the machine; of this process where the kernel has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid.uuid4())


def from_ms(ms: float) -> datetime:
    """Return the time `ms` milliseconds after 1970, aware, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def to_ms(at: datetime) -> int:
    """Return whole milliseconds since 1970."""
    return int(at.timestamp() * 1000)
