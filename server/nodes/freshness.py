"""Pure: the age at which readings are stale."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median

#: A reading older than this many of its source's intervals is stale.
INTERVALS = 3
#: Assumed interval until there are two readings to measure it.
USUAL_INTERVAL_S = 30.0
#: Agents sample at least this often, so a longer gap is an outage.
MAX_INTERVAL_S = 3600.0
#: The interval is measured on so many of the newest readings; one outage does not move a median.
READINGS = 5


def interval_s(times: Sequence[datetime]) -> float:
    """Return the usual time between readings, of when the newest were taken, in any order."""
    gaps = [(late - early).total_seconds() for early, late in pairwise(sorted(times))]
    return min(median(gaps), MAX_INTERVAL_S) if gaps else USUAL_INTERVAL_S


def stale_after_s(times: Sequence[datetime], *, at_least_s: float) -> float:
    """Return the age up to which the newest of these readings is fresh; tolerates jitter."""
    return max(INTERVALS * interval_s(times), at_least_s)
