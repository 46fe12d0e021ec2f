"""The agent killed again and again, in short; `make crash-agent` is the long run."""

import random
import tempfile
from pathlib import Path

from build.crash_agent.__main__ import judge, run
from build.crash_agent.door import Taken
from build.stack.supervisor import python

KILLS = 6


def test_nothing_acknowledged_is_lost_doubled_or_mixed_up_by_kills_under_load():
    # Not tmp_path: a unix socket's path may have only 107 characters.
    with tempfile.TemporaryDirectory(prefix="ml-") as name:
        result = run(python("agent"), kills=KILLS, seed="tests", home=Path(name))

    assert result.is_good, result
    assert result.kills == KILLS


def test_the_judge_sees_each_fault():
    taken = Taken(random.Random(1))
    taken.take("e", 1, ["a", "b"], [])
    taken.take("e", 5, ["c", "a"], [[3, 3]])
    taken.take("e", 2, ["x"], [])
    taken.take("f", 2, ["late"], [])
    taken.take("f", 1, ["early"], [])

    result = judge(taken, ["a", "b", "c", "never"], kills=1, seed="s")

    assert (result.missing, result.twice, result.holes) == (1, 1, 1)
    assert (result.out_of_order, result.contradictions) == (1, 1)
    assert not result.is_good
