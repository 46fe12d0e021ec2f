"""Numbers and times as people read them; a dash for None, which is unknown. Pure.

Charts format their values with server/dashboard/shell/formats.js by the same rules; the vectors in
shell/tests/formats.json are run against both.
"""

import re

UNKNOWN = "\N{EN DASH}"
#: Blocks of Unicode written from right to left, and their marks.
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_ISOLATE, _ISOLATE_ENDS = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S
SECOND_MS = 1_000
KILO = 1_000


def thousands(count: int | None) -> str:
    """11890 → "11,890"."""
    return UNKNOWN if count is None else f"{count:,}"


def percent(part: int, total: int) -> str:
    """Return the share of `part` in `total` with one decimal; a dash when there is no total.

    "100 %" and "0 %" are only said when they are exact: where one decimal would round to them
    there are two, and past that "> 99.99 %".
    """
    if total == 0:
        return UNKNOWN
    if part == 0:
        return "0 %"
    if part == total:
        return "100 %"
    for decimals in (1, 2):
        unit = 10**decimals
        # Whole numbers only: binary fractions round differently in JavaScript.
        scaled = (2 * part * 100 * unit + total) // (2 * total)
        if 0 < scaled < 100 * unit:
            return f"{scaled // unit}.{scaled % unit:0{decimals}d} %"
    return "< 0.01 %" if part * 2 < total else "> 99.99 %"


def duration(seconds: float | None) -> str:
    """Return seconds as people say them: "45 s", "4 min", "3 h 12 min", "2 d 5 h"."""
    if seconds is None:
        return UNKNOWN
    whole_s = max(0, int(seconds))
    if whole_s < MINUTE_S:
        return f"{whole_s} s"
    if whole_s < HOUR_S:
        return f"{whole_s // MINUTE_S} min"
    if whole_s < DAY_S:
        return _two_units(whole_s, (HOUR_S, "h"), (MINUTE_S, "min"))
    return _two_units(whole_s, (DAY_S, "d"), (HOUR_S, "h"))


def milliseconds(ms: float | None) -> str:
    """Return milliseconds as people say them: "320 ms", "1.2 s", "45 s", "4 min"."""
    if ms is None:
        return UNKNOWN
    whole = int(ms + 0.5)
    if whole < SECOND_MS:
        return f"{whole} ms"
    tenths = (whole + 50) // 100
    if tenths < 10 * 10:
        return f"{tenths // 10}.{tenths % 10} s"
    return duration((whole + SECOND_MS // 2) // SECOND_MS)


def byte_size(count: float | None) -> str:
    """Return bytes as people say them, in thousands: "512 B", "44.5 KB", "1.2 MB"."""
    if count is None:
        return UNKNOWN
    whole = int(count + 0.5)
    if whole < KILO:
        return f"{whole} B"
    unit = 1
    for name in ("KB", "MB", "GB", "TB"):
        unit *= KILO
        tenths, units = (20 * whole + unit) // (2 * unit), (2 * whole + unit) // (2 * unit)
        if tenths < KILO:
            return f"{tenths // 10}.{tenths % 10} {name}"
        if units < KILO:
            break
    return f"{thousands(units)} {name}"


def change(count: int, before: int | None) -> str:
    """Return the change against `before`, "▲ 4 %"; empty when there was nothing to compare with."""
    if not before:
        return ""
    percents = (200 * (count - before) + before) // (2 * before)
    if percents == 0:
        return "≈"
    return f"{'▲' if percents > 0 else '▼'} {thousands(abs(percents))} %"


def isolate(name: str) -> str:
    """Return a name that is written from right to left so that it reorders nothing beside it.

    Where pages have an element of its own for a name, styles do the same.
    """
    return f"{_ISOLATE}{name}{_ISOLATE_ENDS}" if _RIGHT_TO_LEFT.search(name) else name


def _two_units(whole_s: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    head = f"{whole_s // large[0]} {large[1]}"
    rest = whole_s % large[0] // small[0]
    return f"{head} {rest} {small[1]}" if rest else head
