from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.rollups.histogram import BRACKETS_MS, NOTHING, DeliveryTimes
from server.rollups.levels import DELIVERY_BOUNDS_MS

# The same tries everywhere; a slow machine is no failure.
tried = settings(deadline=None, derandomize=True)
delivery_ms = st.lists(st.integers(0, 1_000_000), min_size=1)


def histogram(values):
    bins = [0] * (len(DELIVERY_BOUNDS_MS) + 1)
    for value in values:
        bins[bisect_right(DELIVERY_BOUNDS_MS, value)] += 1
    return DeliveryTimes(len(values), sum(values), tuple(bins))


@tried
@given(delivery_ms, st.floats(0.01, 1))
def test_a_percentile_lies_in_the_bin_of_the_exact_one(values, share):
    ordered = sorted(values)
    exact = next(v for i, v in enumerate(ordered) if (i + 1) >= share * len(values) - 1e-9)

    percentile = histogram(values).percentile_ms(share)

    i = bisect_right(DELIVERY_BOUNDS_MS, exact)
    lower = (0, *DELIVERY_BOUNDS_MS)[i]
    upper = DELIVERY_BOUNDS_MS[i] if i < len(DELIVERY_BOUNDS_MS) else lower
    assert lower <= percentile <= upper


@tried
@given(delivery_ms)
def test_the_brackets_and_the_average_are_exact(values):
    merged = histogram(values)

    edges = (0, *BRACKETS_MS, float("inf"))
    assert merged.brackets() == [
        sum(lower <= value < upper for value in values) for lower, upper in pairwise(edges)
    ]
    assert merged.average_ms == pytest.approx(sum(values) / len(values))


def test_of_nothing_nothing_is_known():
    assert NOTHING.average_ms is None
    assert NOTHING.percentile_ms(0.95) is None
    assert NOTHING.brackets() == [0] * 7
