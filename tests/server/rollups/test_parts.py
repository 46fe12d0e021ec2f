"""Which levels are added up for a stretch: pure, so tried with whatever hypothesis thinks of."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from server.rollups.declaration import DAILY, FIVE_MINUTES, LEVELS, ONE_HOUR
from server.rollups.parts import EPOCH, Part, parts

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
def test_the_parts_are_the_whole_stretch_without_gap_or_overlap(level, first, length):
    start, end = stretch(level, first, length)

    found = parts(level, start, end)

    if start == end:
        assert found == []
        return
    assert (found[0].start, found[-1].end) == (start, end)
    for before, after in pairwise(found):
        assert before.end == after.start


@tried
@given(levels, minutes, minutes)
def test_every_part_begins_and_ends_on_an_edge_of_its_level_none_narrower_than_asked(
    level, first, length
):
    for part in parts(level, *stretch(level, first, length)):
        assert part.level.width >= level.width
        for edge in (part.start, part.end):
            assert (edge - EPOCH) % part.level.width == timedelta()


@tried
@given(levels, minutes, minutes)
def test_no_narrower_level_is_read_where_a_wider_one_has_a_whole_bucket(level, first, length):
    for part in parts(level, *stretch(level, first, length)):
        place = LEVELS.index(part.level) + 1
        if place < len(LEVELS):
            wider = LEVELS[place].width
            assert part.end - part.start < wider or (
                part.start + (EPOCH - part.start) % wider + wider > part.end
            )


def test_a_month_of_berlin_is_days_and_a_few_hours():
    start, end = NOON.replace(hour=23) - timedelta(days=30), NOON.replace(hour=23)

    assert parts(ONE_HOUR, start, end) == [
        Part(ONE_HOUR, start, start + timedelta(hours=1)),
        Part(DAILY, start + timedelta(hours=1), end - timedelta(hours=23)),
        Part(ONE_HOUR, end - timedelta(hours=23), end),
    ]


def test_a_month_of_india_is_days_hours_and_a_few_minutes():
    start = NOON.replace(hour=18, minute=30)

    assert [part.level for part in parts(FIVE_MINUTES, start - timedelta(days=30), start)] == [
        FIVE_MINUTES, ONE_HOUR, DAILY, ONE_HOUR, FIVE_MINUTES,
    ]  # fmt: skip
