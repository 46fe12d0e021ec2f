"""Foreign values: what is a number, a text, a time, and what is not known."""

import math
from datetime import UTC, datetime

import pytest
from bson import Decimal128, Int64
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers.values import MAX_COUNT, amount, at, count, items, ms, table, text, total
from tests.damage import HOSTILE


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        ("5", 5),
        (5.9, 5),
        ("5.0", 5),
        (Int64(7), 7),
        (MAX_COUNT, MAX_COUNT),
        (str(MAX_COUNT), MAX_COUNT),
        (2**63, None),
        ("9" * 5000, None),
        (-1, None),
        (True, None),
        (math.nan, None),
        ("inf", None),
        ("-nan", None),
        (None, None),
        ("five", None),
        (Decimal128("5"), None),
        ({}, None),
    ],
)
def test_a_count_is_a_whole_number_a_database_takes(value, expected):
    assert count(value) == expected


def test_a_sum_of_nothing_known_is_not_known():
    assert total([None, None]) is None
    assert total([None, 3, 4]) == 7
    assert total([MAX_COUNT, 1]) is None


def test_text_is_cut_and_cannot_move_a_cursor():
    assert text("a\x00b\x1b[31m\u202ec") == "ab[31mc"
    assert text("x" * 100, limit=5) == "xxxxx"
    assert text("\x00") is None
    assert text(5) is None


def test_a_time_of_nothing_is_never():
    assert at(1795255497) == datetime.fromtimestamp(1795255497, UTC)
    assert at(0) is at("") is at(10**18) is None


def test_milliseconds_of_seconds():
    assert (ms(0.0105), ms("x"), ms(-1)) == (10.5, None, None)


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_hostile_comes_through(value):
    assert (count(value) or 0) <= MAX_COUNT
    assert (amount(value) or 0) >= 0
    assert (text(value) or "x").isprintable()
    assert isinstance(items(value), list)
    assert isinstance(table(value), dict)
    at(value)


@given(st.one_of(st.text(), st.floats(), st.integers(), st.binary(), st.booleans()))
def test_no_value_upsets_anything(value):
    for read in (count, amount, text, at, ms):
        read(value)
