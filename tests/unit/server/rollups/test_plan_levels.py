"""Plans that add up several levels, tried with hypothesis."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from server.rollups.levels import DAILY, FIVE_MINUTES, LEVELS, ONE_HOUR
from server.rollups.mail.level_query import LevelQuery
from server.rollups.plan import (
    EPOCH,
    Part,
    are_days,
    nearest_midnights,
    plan_total,
    shifts_to_midnight,
    split_by_level,
)

# The same tries everywhere; a slow machine is no failure.
tried = settings(deadline=None, derandomize=True)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
levels = st.sampled_from(LEVELS)
minutes = st.integers(0, 60 * 24 * 400)


def stretch(level, first, length):
    width = level.width // timedelta(minutes=1)
    start = EPOCH + timedelta(minutes=first // width * width, days=20_000)
    return start, start + timedelta(minutes=length // width * width)


@tried
@given(levels, minutes, minutes)
def test_the_parts_are_all_of_the_time_without_gap_or_overlap(level, first, length):
    start, end = stretch(level, first, length)

    parts = split_by_level(level, start, end)

    if start == end:
        assert parts == []
        return
    assert (parts[0].start, parts[-1].end) == (start, end)
    for before, after in pairwise(parts):
        assert before.end == after.start


@tried
@given(levels, minutes, minutes)
def test_every_part_begins_and_ends_on_an_edge_of_its_level_none_narrower_than_requested(
    level, first, length
):
    for part in split_by_level(level, *stretch(level, first, length)):
        assert part.level.width >= level.width
        for edge in (part.start, part.end):
            assert (edge - EPOCH) % part.level.width == timedelta()


@tried
@given(levels, minutes, minutes)
def test_no_narrower_level_is_read_where_a_bucket_of_a_wider_one_fits(level, first, length):
    for part in split_by_level(level, *stretch(level, first, length)):
        place = LEVELS.index(part.level) + 1
        if place < len(LEVELS):
            wider = LEVELS[place].width
            assert part.end - part.start < wider or (
                part.start + (EPOCH - part.start) % wider + wider > part.end
            )


@tried
@given(levels, minutes, minutes)
def test_a_range_that_ends_now_is_read_from_the_wider_buckets_that_run_and_from_nothing_narrower(
    level, first, length
):
    start, end = stretch(level, first, length)
    parts = split_by_level(level, start, end, is_running=True)

    for before, after in pairwise(parts):
        assert before.end == after.start
        assert after.level.width > before.level.width
    if parts:
        assert parts[0].start == start
        assert timedelta() <= parts[-1].end - end < parts[-1].level.width


def test_a_day_that_ends_now_is_some_hours_and_today():
    start, now = NOON - timedelta(hours=23, minutes=30), NOON + timedelta(minutes=30)
    buckets = plan_total(start, now, now=now)

    parts = LevelQuery.of(buckets, "outbound").parts

    today = NOON.replace(hour=0)
    assert [part.level for part in parts] == [FIVE_MINUTES, ONE_HOUR, DAILY]
    assert (parts[-1].start, parts[-1].end) == (today, today + timedelta(days=1))
    past = LevelQuery.of(plan_total(start, now, now=now + timedelta(days=2)), "outbound").parts
    assert past[-1].end == now


def test_a_month_of_berlin_is_days_and_a_few_hours():
    start, end = NOON.replace(hour=23) - timedelta(days=30), NOON.replace(hour=23)

    assert split_by_level(ONE_HOUR, start, end) == [
        Part(ONE_HOUR, start, start + timedelta(hours=1)),
        Part(DAILY, start + timedelta(hours=1), end - timedelta(hours=23)),
        Part(ONE_HOUR, end - timedelta(hours=23), end),
    ]


def test_a_month_of_india_is_days_hours_and_a_few_minutes():
    start = NOON.replace(hour=18, minute=30)

    parts = split_by_level(FIVE_MINUTES, start - timedelta(days=30), start)

    assert [part.level for part in parts] == [
        FIVE_MINUTES, ONE_HOUR, DAILY, ONE_HOUR, FIVE_MINUTES,
    ]  # fmt: skip


zones = st.sampled_from([
    "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland", "America/New_York", "Asia/Kathmandu",
    "Pacific/Chatham", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Kiritimati",
])  # fmt: skip


def days_of(zone, first, count):
    midnights = (
        datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)) + timedelta(days=first + i)
        for i in range(count + 1)
    )
    return [midnight.astimezone(UTC) for midnight in midnights]


@tried
@given(zones, st.integers(0, 365), st.integers(2, 40))
def test_days_of_a_zone_are_utc_days_with_and_without_what_lies_between_the_midnights(
    zone, first, count
):
    edges = days_of(zone, first, count)
    assert are_days(FIVE_MINUTES, edges)

    shifts = shifts_to_midnight(edges)

    for i, (start, end) in enumerate(pairwise(edges)):
        covered = Counter(quarters(*nearest_midnights(edges)[i : i + 2]))
        for shift, sign in ((shifts[i], 1), (shifts[i + 1], -1)):
            for quarter in quarters(shift.start, shift.end):
                covered[quarter] += sign * shift.sign
        assert +covered == Counter(quarters(start, end))
        assert min(covered.values()) == 0 or len(covered) == len(+covered)
    for before, after in pairwise(shifts):
        assert before.end <= after.start
    assert all(shift.end - shift.start <= timedelta(hours=12) for shift in shifts)


def quarters(start, end):
    step = timedelta(minutes=15)
    return [start + i * step for i in range((end - start) // step)]


def test_hours_and_utc_days_are_no_days_of_another_zone():
    hours = [NOON + timedelta(hours=i) for i in range(5)]

    assert not are_days(ONE_HOUR, hours)
    assert not are_days(DAILY, days_of("UTC", 3, 5))
    assert not are_days(ONE_HOUR, days_of("Europe/Berlin", 3, 1))
