"""Parser of the text formats of Prometheus and OpenMetrics. Lines that cannot be read are counted.

Exemplars and timestamps, whole or not, are read over: only the present value matters.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# Possessive, here and below: each character is looked at once, however damaged the line.
LINE = re.compile(
    r"(?P<name>[A-Za-z_:][A-Za-z0-9_:]*+)[ \t]*+"
    r'(?:\{(?P<labels>(?:[^"{}]++|"(?:[^"\\]++|\\.)*+")*+)\}[ \t]*+|(?<=[ \t]))'
    r"(?P<value>[^ \t#{}]++)"
    r"(?:[ \t]++[-+.0-9eE]++)?+"  # the timestamp
    r"(?:[ \t]++#[ \t]*+\{.*+)?+"  # the exemplar
)
LABEL = re.compile(
    r'[ \t]*+([A-Za-z_][A-Za-z0-9_]*+)[ \t]*+=[ \t]*+"((?:[^"\\]++|\\.)*+)"[ \t]*+(?:,[ \t]*+|$)'
)
NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*+")
ESCAPE = re.compile(r"\\(.)")
MAX_SERIES = 10_000
MAX_SHOWN_CHARS = 100


@dataclass(frozen=True)
class Series:
    """One value with its name and labels."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass
class Parsed:
    """The series of a text, at most MAX_SERIES, without infinities and NaN. `unreadable`: the
    beginnings of the lines that are none. `unknown`: names of which a value is not known."""

    series: list[Series] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)


def parse(text: str) -> Parsed:
    """Return the series of a text."""
    parsed = Parsed()
    # Not splitlines, which would split inside of labels too.
    for line in text.split("\n"):
        stripped = line.strip(" \t\r")
        if not stripped or stripped.startswith("#"):
            continue
        series = _parse_line(stripped) if len(parsed.series) < MAX_SERIES else None
        if series is not None and math.isfinite(series.value):
            parsed.series.append(series)
            continue
        if series is None:
            parsed.unreadable.append(stripped[:MAX_SHOWN_CHARS])
        if name := NAME.match(stripped):
            parsed.unknown.add(name[0])
    return parsed


def _parse_line(line: str) -> Series | None:
    match = LINE.fullmatch(line)
    if match is None or "_" in match["value"]:  # which Python takes in a number
        return None
    labels = _parse_labels(match["labels"] or "")
    try:
        value = float(match["value"])
    except ValueError:
        return None
    return None if labels is None else Series(match["name"], labels, value)


def _parse_labels(text: str) -> dict[str, str] | None:
    """Return labels by name, None when they are not in order."""
    labels: dict[str, str] = {}
    end, length = 0, len(text.rstrip(" \t"))
    while end < length:
        label = LABEL.match(text, end)
        if label is None:
            return None
        labels[label[1]] = ESCAPE.sub(_unescape, label[2])
        end = label.end()
    return labels


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
