"""Waits before a retry. Pure."""

from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime

FIRST_S = 1.0
MAX_S = 60.0
JITTER_RATIO = 0.2
MAX_RETRY_AFTER_S = 300.0
# MAX_S is reached long before; this only keeps the power small.
_MAX_DOUBLINGS = 16


def delay_s(failures: int, chance: float) -> float:
    """Return the wait after `failures` (1 or more) in a row: 1, 2, 4 … 60 s, shifted by up to a
    fifth. `chance`: 0..1; many agents that lost one server must not return in step."""
    base: float = min(FIRST_S * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), MAX_S)
    return base * (1 + JITTER_RATIO * (2 * chance - 1))


def retry_after_s(header: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds of a Retry-After header, bounded; None without one. It may give a time
    instead, relative to `now`, the server's own clock (its Date), as this one may be off."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        wait_s = float(text)
    elif now is not None and (at := http_date(text)) is not None:
        wait_s = max(0.0, (at - now).total_seconds())
    else:
        return None
    return min(wait_s, MAX_RETRY_AFTER_S)


def http_date_of(at: datetime) -> str:
    """Return a time as a header like Date gives it, in whole seconds."""
    return format_datetime(at, usegmt=True)


def http_date(header: str | None) -> datetime | None:
    """Return the time of a header like Date; None without a valid one."""
    try:
        at = parsedate_to_datetime(header or "")
    except (ValueError, TypeError, IndexError, OverflowError):  # the parser was made for mail
        return None
    return at if at.tzinfo else None
