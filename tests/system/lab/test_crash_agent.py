"""The agent killed again and again, in short; the scenario is the long run."""

from build.lab.scenarios.crash_agent import kill_under_load
from build.stack.supervisor import python

KILLS = 6


def test_nothing_acknowledged_is_lost_doubled_or_mixed_up_by_kills_under_load():
    result = kill_under_load(python("agent"), kills=KILLS, seed="tests")

    assert result.is_clean, result
    assert result.kills == KILLS


def test_nothing_is_lost_doubled_or_mixed_up_when_each_life_has_another_clock():
    result = kill_under_load([], kills=KILLS, seed="clocks", clocks=True)

    assert result.is_clean, result
