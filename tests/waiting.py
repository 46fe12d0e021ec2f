"""Waiting for a condition, with a deadline, instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], *, within_s: float = 15.0, what: str = "") -> T:
    """Return what `condition` returns as soon as it is true."""
    end_s = time.monotonic() + within_s
    while not (value := condition()):
        if time.monotonic() > end_s:
            raise AssertionError(f"not within {within_s} s: {what or condition}; last: {value!r}")
        time.sleep(0.02)
    return value
