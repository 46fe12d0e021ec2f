"""Parser of the text format of Prometheus. Invalid lines are skipped."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

LINE = re.compile(
    r"^(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)(?:\{(?P<labels>.*)\})?"
    r"[ \t]+(?P<value>\S+)(?:[ \t]+-?\d+)?$"
)
LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\(.)")
MAX_SERIES = 10_000


@dataclass(frozen=True)
class Series:
    """One value with its name and labels."""

    name: str
    labels: dict[str, str]
    value: float


def parse(text: str) -> Iterator[Series]:
    """Yield the series of a text, at most MAX_SERIES, without infinities and NaN."""
    count = 0
    for line in text.splitlines():
        if line.startswith("#") or not (match := LINE.match(line.strip())):
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        if not math.isfinite(value):
            continue
        labels = {
            name: ESCAPE.sub(_unescape, text) for name, text in LABEL.findall(match["labels"] or "")
        }
        yield Series(match["name"], labels, value)
        count += 1
        if count >= MAX_SERIES:
            return


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
