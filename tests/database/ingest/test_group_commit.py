"""Threads that come while a call is under way go group_commit in the next one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from build.deadline import stretch
from server.ingest.group_commit import GroupCommit


class Slow:
    """A `send` that waits at its first call until it is let go, and remembers every call."""

    def __init__(self) -> None:
        self.calls: list[list[bytes]] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, items):
        self.calls.append(list(items))
        if len(self.calls) == 1:
            self.entered.set()
            assert self.go_on.wait(stretch(10))
        if b"bad" in items:
            raise ConnectionError("gone")
        return [int(item) for item in items]


@pytest.fixture
def slow():
    return Slow()


def submit_meanwhile(
    group_commit: GroupCommit, slow: Slow, items: list[bytes]
) -> list[int | Exception]:
    """Submit `1`, and each of `items` in a thread while that is under way; return the answers."""

    def submit(item: bytes) -> int | Exception:
        try:
            return group_commit.submit(item)
        except ConnectionError as error:
            return error

    with ThreadPoolExecutor(len(items) + 1) as pool:
        first = pool.submit(submit, b"1")
        assert slow.entered.wait(stretch(10))
        others = [pool.submit(submit, item) for item in items]
        while len(group_commit._waiting) < len(items):
            threading.Event().wait(0.001)
        slow.go_on.set()
        return [each.result(10) for each in (first, *others)]


def test_what_waits_goes_in_one_call_and_each_gets_its_own_answer(slow):
    answers = submit_meanwhile(
        GroupCommit(slow, max_bytes=100, size_of=len), slow, [b"2", b"3", b"4"]
    )

    assert answers == [1, 2, 3, 4]
    assert [sorted(call) for call in slow.calls] == [[b"1"], [b"2", b"3", b"4"]]


def test_one_call_carries_no_more_than_its_bytes_but_for_one_large_item(slow):
    answers = submit_meanwhile(
        GroupCommit(slow, max_bytes=4, size_of=len), slow, [b"22", b"33", b"4444444", b"55"]
    )

    assert answers == [1, 22, 33, 4444444, 55]
    assert all(len(call) == 1 or sum(map(len, call)) <= 4 for call in slow.calls)


def test_a_failing_call_fails_for_all_in_it_and_for_no_other(slow):
    group_commit = GroupCommit(slow, max_bytes=100, size_of=len)
    first, *others = submit_meanwhile(group_commit, slow, [b"bad", b"3"])

    assert first == 1
    assert [type(each) for each in others] == [ConnectionError, ConnectionError]
    assert group_commit.submit(b"5") == 5
