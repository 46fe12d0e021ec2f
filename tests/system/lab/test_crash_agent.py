"""The agent killed again and again, in short; the scenario is the long run."""

from build.lab.scenarios.crash_agent import kill_under_load
from build.stack.supervisor import python

KILLS = 6


def test_nothing_acknowledged_is_lost_doubled_or_mixed_up_by_kills_under_load():
    result = kill_under_load(python("agent"), kills=KILLS, seed="tests")

    assert result.is_clean, result
    assert result.kills == KILLS
