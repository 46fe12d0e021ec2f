"""Plans for samples: their buckets, and the samples or the level that are read."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.metrics.catalogue import MAIL_QUEUE, REDIS
from server.rollups.plan import SAMPLES, WIDTHS, BadRange, Span, floor, plan_samples
from server.rollups.retention import oldest_samples

NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)
AGES = st.timedeltas(timedelta(seconds=1), timedelta(days=1_000))


def plan(kind, span, width=None):
    return plan_samples(span, width=width, oldest=oldest_samples(kind, NOW))


@given(
    kind=st.sampled_from([REDIS, MAIL_QUEUE]),
    ages=st.tuples(AGES, AGES).map(sorted),
    width=st.sampled_from([None, *WIDTHS.values()]),
)
def test_buckets_cover_the_range_and_are_read_from_what_still_holds_them(kind, ages, width):
    end, start = (NOW - age for age in ages)
    if start == end:
        start -= timedelta(seconds=1)
    try:
        buckets = plan(kind, Span(start, end, NOW), width)
    except BadRange:
        return

    edges, level = buckets.edges, buckets.level
    steps = {late - early for early, late in pairwise(edges)}
    assert len(steps) == 1
    (step,) = steps
    assert edges[-1] - step < end <= edges[-1]
    assert buckets.cut or edges[0] <= start < edges[0] + step
    assert step == buckets.width
    if level is not SAMPLES:
        assert step % level.width == timedelta()
        assert edges[0] == floor(edges[0], level.width)
    assert max(start, edges[0]) >= oldest_samples(kind, NOW)[level] or buckets.cut
    assert len(edges) <= 2_001


@given(age=AGES)
def test_a_range_that_is_stored_at_all_is_answered(age):
    span = Span(NOW - age, NOW, NOW)

    assert plan(REDIS, span).edges


def test_a_range_before_anything_is_refused():
    span = Span(NOW - timedelta(days=1_000), NOW - timedelta(days=999), NOW)

    with pytest.raises(BadRange, match="nothing is kept"):
        plan(REDIS, span)
