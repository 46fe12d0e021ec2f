"""Converters of foreign values, which may be missing, of another type, huge, or no number at all.
Such a value becomes None and never prevents the others from being read."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

MAX_COUNT = 2**63 - 1  # maximum of the server's columns


def count(value: Any) -> int | None:
    """Return a whole number from 0 to MAX_COUNT, given as number or text, else None."""
    converted = amount(value)
    if converted is None:
        return None
    try:
        whole = int(value)  # not of the float where possible: byte counts exceed 2**53
    except ValueError:
        whole = int(converted)
    return whole if whole <= MAX_COUNT else None


def number(value: Any) -> float | None:
    """Return a finite number, given as number or text, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        converted = float(value)
    except (ValueError, OverflowError):
        return None
    return converted if math.isfinite(converted) else None


def amount(value: Any) -> float | None:
    """Return a finite number that is not negative, given as number or text, else None."""
    converted = number(value)
    return None if converted is None or converted < 0 else converted


def total(counts: Iterable[int | None]) -> int | None:
    """Return the sum of the known counts; None without any, or when it exceeds MAX_COUNT."""
    known = [converted for converted in counts if converted is not None]
    return count(sum(known)) if known else None


def text(value: Any, *, limit: int = 64) -> str | None:
    """Return printable text truncated to `limit`, None for anything else or an empty text."""
    if not isinstance(value, str):
        return None
    return "".join(c for c in value[: 4 * limit] if c.isprintable())[:limit] or None


def table(value: Any) -> dict[str, Any]:
    """Return a mapping unchanged, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a list unchanged, an empty one for anything else."""
    return value if isinstance(value, list) else []


def at(value: Any) -> datetime | None:
    """Return the time so many seconds after 1970, None for an invalid value or 0, which means
    never."""
    seconds = count(value)
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def ms(seconds: Any) -> float | None:
    converted = amount(seconds)
    return None if converted is None else round(1000 * converted, 1)
