"""The text format of Prometheus: names, labels, numbers. What is no such line is passed over."""

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
    """One number."""

    name: str
    labels: dict[str, str]
    value: float


def parse(text: str) -> Iterator[Series]:
    """Yield the series of a text, at most MAX_SERIES; no infinities, no NaN."""
    count = 0
    for line in text.splitlines():
        if line.startswith("#") or not (found := LINE.match(line.strip())):
            continue
        try:
            value = float(found["value"])
        except ValueError:
            continue
        if not math.isfinite(value):
            continue
        labels = {
            name: ESCAPE.sub(_unescape, text) for name, text in LABEL.findall(found["labels"] or "")
        }
        yield Series(found["name"], labels, value)
        count += 1
        if count >= MAX_SERIES:
            return


def _unescape(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
