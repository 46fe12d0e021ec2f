"""Forecast of the day a disk is full, and when that is unknown."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.alerts.forecast import approximate, forecast_disk

START = datetime(2026, 11, 14, tzinfo=UTC)
GB = 1e9


def hourly(*free_bytes):
    return [(START + timedelta(hours=i), free) for i, free in enumerate(free_bytes)]


def falling(hours, *, from_gb, gb_a_day):
    return hourly(*(GB * (from_gb - gb_a_day * i / 24) for i in range(hours)))


def test_a_steady_fall_is_reported_in_days_with_what_it_is_judged_from():
    forecast = forecast_disk(falling(97, from_gb=70, gb_a_day=10))

    assert forecast.text == "full in about 3 days"
    assert forecast.level == "warning"
    assert forecast.basis == "free space fell by 10.0 GB a day in 97 hourly means over 4 d"


def test_less_than_a_day_is_critical_and_shown_in_hours():
    forecast = forecast_disk(falling(25, from_gb=30, gb_a_day=20))

    assert (forecast.level, forecast.text) == ("critical", "full in about 12 hours")


@pytest.mark.parametrize(
    "readings",
    [
        pytest.param(hourly(*[50 * GB] * 48), id="flat"),
        pytest.param(hourly(*(GB * (50 + i) for i in range(48))), id="growing"),
        pytest.param(
            hourly(*(GB * (50 - i % 24) for i in range(24 * 7))),
            id="filled by day, emptied by night",
        ),
    ],
)
def test_what_does_not_fall_is_not_filling(readings):
    forecast = forecast_disk(readings)

    assert (forecast.level, forecast.text, forecast.full_in) == ("ok", "not filling", None)
    assert "no downward trend" in forecast.basis


def test_a_fall_that_takes_years_is_not_filling():
    forecast = forecast_disk(falling(24 * 7, from_gb=500, gb_a_day=0.1))

    assert forecast.text == "not filling"
    assert forecast.basis.endswith("enough for more than a year")


def test_one_night_of_a_backup_does_not_change_the_trend():
    readings = falling(24 * 7, from_gb=200, gb_a_day=10)
    with_backup = [
        (at, free - 60 * GB if 50 <= i < 56 else free) for i, (at, free) in enumerate(readings)
    ]

    assert forecast_disk(with_backup).text == forecast_disk(readings).text


@pytest.mark.parametrize(
    ("readings", "basis"),
    [
        ([], "no reading of the disk in this time"),
        (hourly(GB), "1 hourly mean over 0 s; it takes 6 h of them"),
        (hourly(3 * GB, 2 * GB, GB), "3 hourly means over 2 h; it takes 6 h of them"),
    ],
)
def test_too_little_is_reported_as_too_little(readings, basis):
    forecast = forecast_disk(readings)

    assert forecast.level == "none"
    assert forecast.text.startswith(("unknown", "not known yet"))
    assert forecast.basis == basis


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(minutes=10), "1 hour"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(hours=49), "2 days"),
        (timedelta(days=20), "20 days"),
        (timedelta(days=60), "9 weeks"),
    ],
)
def test_lengths_are_reported_as_roughly_as_they_are_known(length, words):
    assert approximate(length) == words


@given(st.lists(st.floats(0, 1e15), max_size=40))
def test_no_reading_makes_it_fail_or_promise_the_past(free_bytes):
    forecast = forecast_disk(hourly(*free_bytes))

    assert forecast.full_in is None or forecast.full_in >= timedelta(0)
