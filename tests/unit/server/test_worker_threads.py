"""Threads of a worker go on whatever their work raises, and say so."""

from datetime import UTC, datetime, timedelta

import pytest

from server import worker_threads
from server.observability import beats
from server.observability.beats import Beat, find_failures
from server.worker_threads import PeriodicThread

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Clockwork(PeriodicThread):
    """Does what the test gives it, then stops."""

    name = "clockwork"
    every_s = 0.0

    def __init__(self, *outcomes):
        super().__init__()
        self.outcomes = list(outcomes)

    def work(self, broker):
        outcome = self.outcomes.pop(0)
        if not self.outcomes:
            self._stop.set()
        if outcome:
            raise outcome


@pytest.fixture
def written(monkeypatch):
    """Keep the beats that would be written: failures, and the error if the last run failed."""
    kept = []
    monkeypatch.setattr(worker_threads, "MIN_WAIT_AFTER_ERROR_S", 0.0)
    monkeypatch.setattr(beats, "forget_old", lambda task: None)
    monkeypatch.setattr(beats, "write", lambda task: kept.append((task.failures, task.error)))
    return kept


def test_a_run_that_raises_is_logged_with_its_traceback_counted_and_repeated(written, caplog):
    Clockwork(None, ValueError("year 9999"), KeyError("x"), None)._run(None)

    assert written == [(0, ""), (1, "ValueError: year 9999"), (2, "")]
    assert "Traceback" in caplog.text
    assert "year 9999" in caplog.text


def test_a_connection_to_the_database_is_kept_until_a_run_fails(written, monkeypatch):
    closed = []
    monkeypatch.setattr(worker_threads.connection, "close", lambda: closed.append(len(written)))

    Clockwork(None, ValueError("x"), None, None)._run(None)

    assert closed == [1]


def test_waits_after_errors_grow_to_a_bound_and_start_anew_after_a_success(written, monkeypatch):
    monkeypatch.setattr(worker_threads, "MIN_WAIT_AFTER_ERROR_S", 2.0)
    error = OSError("away")
    thread = Clockwork(*[error] * 6, None, error, None)
    waits = []
    monkeypatch.setattr(
        thread._stop, "wait", lambda wait_s: waits.append(wait_s) or not thread.outcomes
    )

    thread._run(None)

    assert waits == [0.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 0.0, 2.0, 0.0]


def test_a_beat_that_cannot_be_written_ends_nothing(written, monkeypatch):
    def refuse(task):
        raise OSError("Redis is away")

    monkeypatch.setattr(beats, "write", refuse)
    thread = Clockwork(None, None, None)

    thread._run(None)

    assert thread.outcomes == []


def beat(task="inbox-sweeper", *, ago_s=1.0, every_s=0.25, failures=0, error=""):
    return Beat(task, NOW - timedelta(seconds=ago_s), every_s, failures, error)


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ([beat()], {}),
        ([beat(failures=7)], {}),  # it failed, and does its work again
        ([beat(ago_s=200), beat()], {}),  # a process that is gone, and the one after it
        (
            [beat(ago_s=200)],
            {"inbox-sweeper": "inbox-sweeper did nothing for 200 s"},
        ),
        (
            [beat(), beat(failures=1, error="ValueError: x"), beat("housekeeping", every_s=60)],
            {"inbox-sweeper": "inbox-sweeper fails: ValueError: x"},
        ),
        ([beat("housekeeping", ago_s=200, every_s=60)], {}),
    ],
)
def test_a_task_that_fails_or_has_stopped_is_named(found, wrong):
    assert find_failures(found, NOW) == wrong
