"""Foreign values → ours. What a program says may be missing, of another type, huge, or no number at
all; such a value is not known, which is None, and never stops the others from being read."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

MAX_COUNT = 2**63 - 1  # what the server's columns hold
_MS = 1000


def count(value: Any) -> int | None:
    """Return a whole number from 0 to MAX_COUNT, given as number or text, else None."""
    found = number(value)
    if found is None or found < 0:
        return None
    # Not by way of float where it can be helped: byte counts pass 2**53.
    whole = value if isinstance(value, int) else _whole(value, found)
    return int(whole) if whole <= MAX_COUNT else None


def number(value: Any) -> float | None:
    """Return a finite number, given as number or text, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def amount(value: Any) -> float | None:
    """Return a finite number that is not negative, given as number or text, else None."""
    found = number(value)
    return None if found is None or found < 0 else found


def total(counts: Iterable[int | None]) -> int | None:
    """Return the sum of the counts that are known; None when none is, or it is past any count."""
    known = [found for found in counts if found is not None]
    return count(sum(known)) if known else None


def text(value: Any, *, limit: int = 64) -> str | None:
    """Return printable text cut to `limit`, None for anything else or nothing."""
    if not isinstance(value, str):
        return None
    return "".join(c for c in value[: 4 * limit] if c.isprintable())[:limit] or None


def table(value: Any) -> dict[str, Any]:
    """Return a mapping as it is, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a list as it is, an empty one for anything else."""
    return value if isinstance(value, list) else []


def at(value: Any) -> datetime | None:
    """Return the time so many seconds after 1970, None for what is none. 0 means never."""
    seconds = count(value)
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def ms(seconds: Any) -> float | None:
    """Return milliseconds of seconds."""
    found = amount(seconds)
    return None if found is None else round(found * _MS, 1)


def _whole(value: Any, found: float) -> int:
    try:
        return int(value)
    except ValueError:
        return int(found)
