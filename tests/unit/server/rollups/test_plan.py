"""Plans for counts of mail: ranges, edges and levels, tried with hypothesis."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from server.rollups.levels import DAILY, FIVE_MINUTES, LEVELS, ONE_HOUR, ONE_MINUTE
from server.rollups.plan import (
    EPOCH,
    MAX_BUCKETS,
    RANGES,
    WIDTHS,
    BadRange,
    Span,
    bucket_edges,
    parse_span,
    plan_counts,
    plan_total,
)

NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
KEPT_DAYS = {ONE_MINUTE: 8, FIVE_MINUTES: 90, ONE_HOUR: 730, DAILY: 730}
ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
    "America/Santiago", "Asia/Beirut", "Pacific/Apia", "Africa/Casablanca",
]  # fmt: skip

# The same tries everywhere; a slow machine is no failure.
tried = settings(deadline=None, derandomize=True)
times = st.timedeltas(timedelta(), timedelta(days=1_460)).map(
    lambda length: datetime(2024, 1, 1, tzinfo=UTC) + length
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
widths = st.sampled_from(list(WIDTHS.values()))
lengths = st.timedeltas(timedelta(seconds=1), timedelta(days=60))


def oldest(now=NOW):
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {level: midnight - timedelta(days=days - 1) for level, days in KEPT_DAYS.items()}


def plan(start, end=NOW, width=None, zone=UTC_ZONE):
    return plan_counts(Span(start, end, NOW), width=width, zone=zone, oldest=oldest())


@tried
@given(times, lengths, widths, zones)
def test_buckets_cover_the_range_without_gap_and_no_more_than_a_bucket_too_much(
    start, length, width, zone
):
    assume(length / width <= MAX_BUCKETS)

    edges = bucket_edges(start, start + length, width, zone)

    assert edges[0] <= start < edges[1]
    assert edges[-2] < start + length <= edges[-1]
    hour = timedelta(hours=1)
    for left, right in pairwise(edges):
        assert abs(width - (right - left)) <= (hour if width == WIDTHS["1d"] else timedelta())


@tried
@given(times, lengths, zones)
def test_days_begin_at_the_first_moment_of_a_date(start, length, zone):
    edges = bucket_edges(start, start + length, WIDTHS["1d"], zone)

    for edge in edges:
        just_before = (edge - timedelta(microseconds=1)).astimezone(zone)
        assert just_before.date() < edge.astimezone(zone).date()


@tried
@given(
    st.timedeltas(timedelta(seconds=1), timedelta(days=900)),
    st.one_of(st.none(), widths),
    zones,
    lengths,
)
def test_a_level_is_read_only_where_it_is_whole_and_no_wider_than_a_bucket(
    ago, width, zone, length
):
    start = NOW - ago
    try:
        buckets = plan(start, min(NOW, start + length), width, zone)
    except BadRange:
        return

    assert buckets.start >= oldest()[buckets.level]
    assert buckets.level.width <= buckets.width
    assert len(buckets.edges) <= MAX_BUCKETS + 2
    for edge in buckets.edges:
        assert (edge - EPOCH) % buckets.level.width == timedelta()
    if width:
        assert buckets.width == width


@pytest.mark.parametrize(
    ("name", "level"), [("1h", "5m"), ("6h", "1h"), ("24h", "1h"), ("7d", "1h"), ("30d", "daily")]
)
def test_the_level_follows_from_the_length(name, level):
    assert plan(NOW - RANGES[name]).level.name == level


def test_a_day_may_have_23_or_25_hours():
    berlin = ZoneInfo("Europe/Berlin")
    edges = bucket_edges(
        datetime(2026, 10, 24, tzinfo=berlin), datetime(2026, 10, 27, tzinfo=berlin),
        WIDTHS["1d"], berlin,
    )  # fmt: skip

    assert [(b - a) / timedelta(hours=1) for a, b in pairwise(edges)] == [24, 25, 24]


def test_past_retention_the_range_begins_where_counts_begin():
    buckets = plan(NOW - timedelta(days=2_000))

    assert buckets.cut
    assert buckets.start == oldest()[DAILY]


def test_of_a_time_whose_minutes_are_dropped_the_next_wider_level_is_read():
    start = NOW - timedelta(days=100)

    assert plan(start, start + timedelta(hours=1)).level is ONE_HOUR
    with pytest.raises(BadRange, match="this narrow"):
        plan(start, start + timedelta(hours=1), WIDTHS["5m"])


def test_a_day_that_begins_at_half_past_is_not_made_of_hours():
    with pytest.raises(BadRange, match="whole hour"):
        plan(NOW - timedelta(days=100), zone=ZoneInfo("Asia/Kolkata"))


@pytest.mark.parametrize(
    ("name", "start", "end", "why"),
    [
        (None, NOW, NOW - timedelta(hours=1), "in the future"),
        (None, NOW - timedelta(hours=1), NOW - timedelta(hours=2), "not before"),
        (None, NOW - timedelta(hours=1), NOW - timedelta(hours=1), "not before"),
        (None, NOW + timedelta(hours=1), None, "in the future"),
        (None, None, NOW, "needs a `from`"),
        ("1h", NOW - timedelta(hours=1), None, "exclude"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(name, start, end, why):
    with pytest.raises(BadRange, match=why):
        parse_span(name, start, end, now=NOW)


def test_a_range_that_reaches_into_the_future_ends_now():
    assert parse_span(None, NOW - timedelta(hours=1), NOW + timedelta(days=9), now=NOW).end == NOW


def test_every_width_of_a_level_may_be_requested():
    assert {level.width for level in LEVELS} <= set(WIDTHS.values())


@tried
@given(st.timedeltas(timedelta(seconds=1), timedelta(days=400)), lengths)
def test_a_pages_total_is_one_bucket_that_covers_its_range_with_edges_of_its_level(ago, length):
    start, end = NOW - ago, NOW - ago + length

    total = plan_total(start, end, now=NOW)

    assert total.edges[0] <= start < total.edges[1]
    assert min(end, NOW) <= total.edges[1] < max(min(end, NOW), start) + 2 * total.width
    assert total.level.width <= total.width
    for edge in total.edges:
        assert (edge - EPOCH) % total.level.width == timedelta()


def test_the_days_of_a_pages_total_begin_at_midnight_in_its_zone():
    berlin = ZoneInfo("Europe/Berlin")
    now = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)

    total = plan_total(now - timedelta(days=30), now, now=now, zone=berlin)

    assert [edge.astimezone(berlin).isoformat() for edge in total.edges] == [
        "2026-10-22T00:00:00+02:00",
        "2026-11-22T00:00:00+01:00",
    ]
    assert total.level is ONE_HOUR


@pytest.mark.parametrize(
    ("length", "width", "level"),
    [("1h", "1m", ONE_MINUTE), ("6h", "5m", FIVE_MINUTES), ("24h", "15m", FIVE_MINUTES),
     ("7d", "1h", ONE_HOUR), ("30d", "1d", DAILY)],
)  # fmt: skip
def test_a_pages_total_has_the_edges_of_its_charts(length, width, level):
    total = plan_total(NOW - RANGES[length], NOW, now=NOW)

    assert (total.width, total.level) == (WIDTHS[width], level)
