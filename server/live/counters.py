"""Counts of stored events by second, kept in Redis for the live pages.

Written after each commit, read by the pump. They are a convenience: the tables are the truth, and
what a crash between commit and publish loses here is still counted there.
"""

from collections.abc import Iterable

#: Messages name the seconds that have new counts.
CHANNEL = "mallard:live"
#: How long a second's counts are kept: the pages show five minutes.
WINDOW_S = 300
KEEP_S = WINDOW_S + 60

#: second → "direction:event_type" → events
Seconds = dict[int, dict[str, int]]


def second_key(second: int) -> str:
    """Return the Redis hash of one second since the epoch: "direction:event_type" → events."""
    return f"mallard:live:second:{second}"


def window(now_s: int) -> range:
    """Return the seconds a page shows at `now_s`, the running one included."""
    return range(now_s - WINDOW_S + 1, now_s + 1)


def trim(seconds: Seconds, keep: Iterable[int]) -> Seconds:
    """Return only the seconds in `keep` that counted anything."""
    return {second: seconds[second] for second in keep if seconds.get(second)}
