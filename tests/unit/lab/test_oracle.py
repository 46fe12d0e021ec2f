"""The verdict about an agent sees each fault."""

from tests.fakes.failing_server import Received, judge_agent


def test_the_judge_sees_each_fault():
    received = Received()
    received.record_batch("e", 1, ["a", "b"], [])
    received.record_batch("e", 5, ["c", "a"], [[3, 3]])
    received.record_batch("e", 2, ["x"], [])
    received.record_batch("f", 2, ["late"], [])
    received.record_batch("f", 1, ["early"], [])

    result = judge_agent(received, ["a", "b", "c", "never"], kills=1, seed="s")

    assert (result.missing, result.twice, result.holes) == (1, 1, 1)
    assert (result.out_of_order, result.contradictions) == (1, 1)
    assert not result.is_clean
