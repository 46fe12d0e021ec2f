"""Waiting for a condition, with a deadline that stretches with the machine's load, instead of
sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

from build.deadline import Deadline

T = TypeVar("T")


def until(
    condition: Callable[[], T], *, within_s: float = 15.0, poll_s: float = 0.02, what: str = ""
) -> T:
    """Return what `condition` returns as soon as it is true."""
    deadline = Deadline(within_s)
    while not (value := condition()):
        if deadline.is_over:
            raise AssertionError(f"not within {within_s} s: {what or condition}; last: {value!r}")
        time.sleep(poll_s)
    return value
