"""Rspamd's /stat as it was recorded, and as it should not be."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.parsers import rspamd
from tests.damage import assert_sane, cut, damage_copies
from tests.recorded import RSPAMD_STAT


def test_the_readings_are_those_rspamd_counted():
    readings = rspamd.parse_stat(RSPAMD_STAT.encode())

    actions = {action.action: action.count for action in readings.actions}
    assert (readings.version, readings.uptime_s, readings.scanned_total) == ("3.4", 64, 10)
    assert (readings.spam_total, readings.ham_total, readings.learned_total) == (1, 9, 0)
    assert (actions["reject"], actions["greylist"], actions["no action"]) == (1, 2, 7)
    assert sum(actions.values()) == readings.scanned_total
    assert readings.scan_time_max_s == 0.656214
    assert readings.scan_time_average_s == pytest.approx(0.472, abs=0.001)
    assert readings.config_id == "4tg5yx7kp35ix54q"
    assert readings.fuzzy_hashes_count is None


def test_an_rspamd_that_has_scanned_nothing_has_no_scan_times():
    stat = json.loads(RSPAMD_STAT) | {"scanned": 0, "scan_times": [None] * 31}

    readings = rspamd.parse_stat(json.dumps(stat).encode())

    assert (readings.scanned_total, readings.scan_time_average_s, readings.scan_time_max_s) == (
        0,
        None,
        None,
    )


def test_fuzzy_hashes_of_all_storages_are_counted_together():
    stat = json.loads(RSPAMD_STAT) | {"fuzzy_hashes": {"rspamd.com": 100, "local": 5}}

    assert rspamd.parse_stat(json.dumps(stat).encode()).fuzzy_hashes_count == 105


@pytest.mark.parametrize("body", [b"", b"pong", b"[]", b"{}", b"<html>", b'{"scanned":"x"}'])
def test_what_is_no_stat_is_refused(body):
    with pytest.raises(ValueError):  # noqa: PT011 (msgspec's own words are as good)
        rspamd.parse_stat(body)


def test_a_stat_that_was_cut_off_is_refused_whole():
    for piece in cut(RSPAMD_STAT):
        with pytest.raises(ValueError):  # noqa: PT011
            rspamd.parse_stat(piece.encode())


def test_a_damaged_value_is_not_known_and_spoils_nothing_else():
    for broken in damage_copies(json.loads(RSPAMD_STAT)):
        body = json.dumps(broken).encode()
        try:
            readings = rspamd.parse_stat(body)
        except ValueError:
            continue
        assert_sane(msgspec.to_builtins(readings))


@given(st.binary())
def test_no_bytes_upset_the_reader(body):
    try:
        rspamd.parse_stat(body)
    except ValueError:
        return
