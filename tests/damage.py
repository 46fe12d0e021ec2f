"""Damaged answers in place of a recorded one: cut off, of other types, hostile."""

import json
from collections.abc import Iterator
from typing import Any

HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**30,
    -(10**30),
    1e308,
    float("nan"),
    float("inf"),
    "",
    "NaN",
    "-nan",
    "1e999",
    "9" * 5000,
    "\x00\x1b[31m\u202e\n<script>alert(1)</script>",
    "é" * 5000,
    [],
    {},
    [[[]]],
    {"$date": 5},
)


def cut(text: str, *, pieces: int = 60) -> Iterator[str]:
    """Yield beginnings of a text."""
    for n in range(pieces):
        yield text[: len(text) * n // pieces]


def damage_copies(found: Any) -> Iterator[Any]:
    """Yield copies of a document in each of which one value, at any depth, is hostile."""
    text = json.dumps(found, default=str)
    for path in _paths(found):
        for value in HOSTILE:
            copy = json.loads(text)
            place = copy
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            yield copy


def _paths(found: Any, *before: Any) -> Iterator[tuple[Any, ...]]:
    inside: Any = []
    if isinstance(found, dict):
        inside = found.items()
    elif isinstance(found, list):
        inside = list(enumerate(found))[:3]
    for key, value in inside:
        yield (*before, key)
        yield from _paths(value, *before, key)


def assert_sane(readings: Any) -> None:
    """Check that a reading may be sent: JSON, bounded text without control characters, numbers a
    database takes."""
    text = json.dumps(readings, allow_nan=False, default=str)
    assert len(text) < 50_000
    for value in _leaves(readings):
        if isinstance(value, str):
            assert value.isprintable()
            assert len(value) <= 300
        elif isinstance(value, int | float):
            assert value >= 0
            assert value < 2**63 or isinstance(value, float)


def _leaves(found: Any) -> Iterator[Any]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield key
            yield from _leaves(value)
    elif isinstance(found, list):
        for value in found:
            yield from _leaves(value)
    else:
        yield found
