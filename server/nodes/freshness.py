"""Pure: how old a reading may grow before it is stale."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median

#: A reading older than this many of its source's intervals is stale.
INTERVALS = 3
#: What an interval is taken for while two readings to tell it by are not there.
USUAL_INTERVAL_S = 30.0
#: Agents read nothing more seldom than this, so a longer gap is an outage.
LONGEST_INTERVAL_S = 3600.0
#: So many of the newest readings tell the interval; their median is deaf to a single outage.
READINGS = 5


def interval_s(times: Sequence[datetime]) -> float:
    """Return the usual time between readings, of when the newest were taken, in any order."""
    gaps = [(late - early).total_seconds() for early, late in pairwise(sorted(times))]
    return min(median(gaps), LONGEST_INTERVAL_S) if gaps else USUAL_INTERVAL_S


def stale_after_s(times: Sequence[datetime], *, at_least_s: float) -> float:
    """Return how old the newest of these readings may be; a jitter makes none stale."""
    return max(INTERVALS * interval_s(times), at_least_s)
