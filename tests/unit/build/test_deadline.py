"""Deadlines on a busy machine."""

import time

import pytest

from build import deadline
from build.deadline import Deadline, stretch


@pytest.fixture
def machine(monkeypatch):
    """A machine with two processors, its load and its clock in the test's hands."""

    class Machine:
        load = 0.5
        now_s = 100.0

    made = Machine()
    monkeypatch.setattr(deadline.os, "getloadavg", lambda: (made.load, 0.0, 0.0))
    monkeypatch.setattr(deadline.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(time, "monotonic", lambda: made.now_s)
    return made


def test_on_a_quiet_machine_a_deadline_is_as_given(machine):
    end = Deadline(10)
    machine.now_s = 109.9
    before = end.is_over
    machine.now_s = 110.1

    assert (before, end.is_over, stretch(10)) == (False, True, 10)


def test_a_deadline_stretches_with_the_load_and_never_shrinks_again(machine):
    end = Deadline(10)
    machine.load = 8.0
    machine.now_s = 139.0
    busy = end.is_over
    machine.load = 0.0
    quiet_again = end.is_over
    machine.now_s = 141.0

    assert (busy, quiet_again, end.is_over) == (False, False, True)


def test_no_load_stretches_a_deadline_for_ever(machine):
    machine.load = 10_000.0

    assert stretch(10) == 10 * deadline.MAX_STRETCH
