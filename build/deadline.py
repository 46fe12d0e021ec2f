"""Deadlines of waits for other programs: the busier the machine, the longer. A deadline is there to
end a wait that would never end, and not to measure the machine."""

import os
import time

#: Of the given time, at the most.
MAX_STRETCH = 10.0


class Deadline:
    """The end of a wait that begins now. It moves with the load meanwhile, never nearer."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._began_s = time.monotonic()
        self._factor = 1.0

    @property
    def is_over(self) -> bool:
        self._factor = max(self._factor, load_factor())
        return time.monotonic() > self._began_s + self._within_s * self._factor


def stretch(seconds: float) -> float:
    """Return a time limit to give to a library, by the present load."""
    return seconds * load_factor()


def load_factor() -> float:
    """Return the programs that want to run for each processor, from 1 to MAX_STRETCH."""
    return min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), MAX_STRETCH)
