"""CUSUM of refusals: the sum that rises while mail is refused more often than usual. Pure.

Each unit of evidence is a share f of refused mail, 0 to 1. S becomes max(0, S + gain(f)), where

    gain(f) = f·ln(p1/p0) + (1-f)·ln((1-p1)/(1-p0))

is the log-likelihood ratio of "refused with p1" against "refused with p0 as usual" (Page 1954). The
alarm is S >= h. Under p0 the mean of exp(gain) is at most 1: for f of 0 or 1 it is 1, and exp is
convex between them. So at least e^h units pass on average from one false alarm to the next (Wald's
and Lorden's bound, Lorden 1971), and h = ln(units a month / false alarms accepted a month) is the
one number to choose. The bound is for independent units: runs of refusals of one message or one
sender are what breaks it, which is why attempts.py makes one unit of them.
"""

from math import log

#: The share of refused mail that is looked for. Others are found too, the sooner the higher.
BLOCKED_SHARE = 0.5
#: A smaller share cannot be distinguished from none: of clean cells few units are known.
MIN_USUAL_SHARE, MAX_USUAL_SHARE = 0.01, 0.3
#: The sum jumps over the threshold, on average by so much: simulated with p0 0.01 and p1 0.5, four
#: to eleven times as many units passed as e^h says (ln 4 is 1.4).
OVERSHOOT = 1.4
#: The fewest units a month that a threshold is made for.
MIN_UNITS = 100_000.0


def compute_gains(usual: float, blocked: float = BLOCKED_SHARE) -> tuple[float, float]:
    """Return what a refused and a taken unit add to the sum. `usual` is p0, `blocked` p1."""
    return log(blocked / usual), log((1 - blocked) / (1 - usual))


def compute_threshold(units_a_month: float, accepted_a_month: float) -> float:
    """Return h for so many units a month in all cells, and false alarms accepted in that time."""
    return log(max(units_a_month, MIN_UNITS) / accepted_a_month) - OVERSHOOT


def clamp_usual(share: float) -> float:
    """Return a share as p0 of a cell: within the bounds for which the sum works."""
    return min(max(share, MIN_USUAL_SHARE), MAX_USUAL_SHARE)
