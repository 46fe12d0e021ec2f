"""Pure: how long to wait before trying again."""

FIRST_S = 1.0
LONGEST_S = 60.0
JITTER_RATIO = 0.2
LONGEST_RETRY_AFTER_S = 300.0
# Beyond this the doubling is over anyway; it only keeps the power small.
_MOST_DOUBLINGS = 16


def delay_s(failures: int, chance: float) -> float:
    """Return the wait after `failures` (1 or more) in a row: 1, 2, 4 … 60 s, shifted by up to a
    fifth. `chance`: 0..1; many agents that lost one server must not come back in step."""
    base: float = min(FIRST_S * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), LONGEST_S)
    return base * (1 + JITTER_RATIO * (2 * chance - 1))


def retry_after_s(header: str | None) -> float | None:
    """Return the seconds a Retry-After header asks for, bounded; None when it is absent or a date
    (our server sends seconds)."""
    if header is None or not header.strip().isdecimal():
        return None
    return min(float(header), LONGEST_RETRY_AFTER_S)
