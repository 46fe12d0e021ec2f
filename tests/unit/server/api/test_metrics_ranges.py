"""Which samples or level a range is read from, and its buckets: what holds for any range."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api.metrics import LEVELS, edges_and_source
from server.api.ranges import BadRange, Span
from server.metrics.catalogue import MAIL_QUEUE, REDIS
from server.rollups.retention import oldest_whole_day

NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)
AGES = st.timedeltas(timedelta(seconds=1), timedelta(days=1_000))


@given(
    kind=st.sampled_from([REDIS, MAIL_QUEUE]),
    ages=st.tuples(AGES, AGES).map(sorted),
    width=st.sampled_from([None, *LEVELS]),
)
def test_buckets_cover_the_range_and_are_read_from_what_still_holds_them(kind, ages, width):
    end, start = (NOW - age for age in ages)
    if start == end:
        start -= timedelta(seconds=1)
    try:
        found = edges_and_source(kind, Span(start, end, NOW), width=width)
    except BadRange:
        return

    edges, source = found["edges"], found["source"]
    steps = {late - early for early, late in pairwise(edges)}
    assert len(steps) == 1
    (step,) = steps
    assert edges[-1] - step < end <= edges[-1]
    assert found["cut"] or edges[0] <= start < edges[0] + step
    if source.level:
        assert step % source.level.of.width == timedelta()
        assert (edges[0] - datetime(1970, 1, 1, tzinfo=UTC)) % source.level.of.width == timedelta()
    table = source.level.table if source.level else kind.table
    assert max(start, edges[0]) >= oldest_whole_day(table, NOW) or found["cut"]
    assert len(edges) <= 2_001


@given(age=AGES)
def test_a_range_that_is_kept_at_all_is_answered(age):
    span = Span(NOW - age, NOW, NOW)

    assert edges_and_source(REDIS, span, width=None)["edges"]


def test_a_range_before_anything_is_refused():
    span = Span(NOW - timedelta(days=1_000), NOW - timedelta(days=999), NOW)

    with pytest.raises(BadRange, match="nothing is kept"):
        edges_and_source(REDIS, span, width=None)
