"""Transactions of the writer shrink while they are slow, and grow again."""

from contextlib import suppress

import pytest

from server.storage.transaction_size import MAX_HALVINGS, TransactionSize


class Clock:
    """A clock that the test moves."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def measured(settings):
    settings.WRITER_MAX_EVENTS = 20_000
    clock = Clock()
    size = TransactionSize(clock)

    def measure(took_s, error=None):
        with suppress(ValueError), size.measure():
            clock.now_s += took_s
            if error:
                raise error
        return size.max_events

    return measure


def test_a_slow_transaction_halves_the_next_and_quick_ones_double_them_up_to_the_setting(measured):
    assert [measured(9), measured(9), measured(3)] == [10_000, 5_000, 5_000]
    assert [measured(0.1), measured(0.1), measured(0.1)] == [10_000, 20_000, 20_000]


def test_a_transaction_that_was_ended_halves_the_next(measured):
    assert measured(0.1, ValueError()) == 10_000


def test_however_slow_it_is_something_is_left(measured):
    for _ in range(2 * MAX_HALVINGS):
        measured(60)

    assert measured(60) > 100
