"""One evaluator at a time: another takes over from one that dies, and no flip happens twice."""

import random
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import psycopg2
import pytest
from django.conf import settings
from django.db import OperationalError, connection

from server.alerts.evaluator import rounds
from server.alerts.evaluator.rounds import EVERY, LOCK, TRY_LOCK, run_if_due, run_round
from server.alerts.models import Alert, AlertTransition, Evaluation, OutboxNotification
from server.nodes.models import Node
from server.observability.backlog import NOTHING_WAITS

pytestmark = pytest.mark.usefixtures("committing_database", "empty_redis", "one_route")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KILLS = 60


class Killed(BaseException):
    """The end of an evaluator's process, at whatever statement it is."""


@pytest.fixture
def other_process():
    """A connection as another process has one."""
    values = settings.DATABASES["default"]
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host",
             "PORT": "port"}  # fmt: skip
    other = psycopg2.connect(**{names[key]: values[key] for key in names if values.get(key)})
    yield other
    other.close()


def test_while_one_process_runs_a_round_no_other_does_and_it_takes_over(other_process):
    Node.objects.create(name="mta-01", last_seen_at=NOW)
    with other_process.cursor() as cursor:
        cursor.execute(TRY_LOCK, [LOCK])
        assert cursor.fetchone() == (True,)
    assert run_round(NOW, backlog=NOTHING_WAITS) is None
    assert not Evaluation.objects.exists()

    other_process.close()  # as the system does when the process is killed

    later = NOW + timedelta(seconds=5)
    assert _retry(lambda: run_round(later, backlog=NOTHING_WAITS)).at == later


def _retry(run):
    """Try until the database has noticed that the other process is gone."""
    for _ in range(100):
        if done := run():
            return done
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.05)")
    raise AssertionError("the lock is never given up")


def test_a_round_is_run_by_whoever_looks_first_once_it_is_due():
    assert run_if_due(NOW)
    assert run_if_due(NOW + timedelta(seconds=5)) is None
    assert run_if_due(NOW + EVERY)
    assert Evaluation.objects.get().rounds_count == 2


def test_a_clock_that_is_set_back_stops_no_rounds():
    run_if_due(NOW)

    assert run_if_due(NOW - timedelta(hours=2))


def test_many_processes_at_once_run_one_round():
    rounds = []

    def look():
        try:
            rounds.append(run_if_due(NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(done is not None for done in rounds) == 1
    assert Evaluation.objects.get().rounds_count == 1


def test_every_flip_happens_once_with_its_notification_though_evaluators_are_killed(monkeypatch):
    """Kill rounds before, between and after their statements, while nodes come and go."""
    rng = random.Random(16)
    nodes = [Node.objects.create(name=f"mta-{n}", last_seen_at=NOW) for n in range(6)]
    contacts = dict.fromkeys((node.pk for node in nodes), 0)
    is_away = dict.fromkeys(contacts, False)
    kills, after_s = 0, 0
    statements = _Statements(rng)
    while kills < KILLS:
        after_s += 15
        for pk in contacts:
            is_away[pk] ^= rng.random() < 0.1
            contacts[pk] = contacts[pk] if is_away[pk] else after_s
            at = NOW + timedelta(seconds=contacts[pk])
            Node.objects.filter(pk=pk).update(last_seen_at=at)
        now = NOW + timedelta(seconds=after_s)
        for _ in range(3):
            try:
                with connection.execute_wrapper(statements):
                    done = run_round(now, backlog=NOTHING_WAITS)
                assert done
                break
            except Killed:
                kills += 1
                connection.close()
        else:
            run_round(now, backlog=NOTHING_WAITS)

    flips = list(AlertTransition.objects.filter(alert__rule__startswith="node_silent"))
    assert len(flips) > 30
    for alert in Alert.objects.filter(rule="node_silent", fired_at__isnull=False):
        states = [t.to_state for t in alert.transitions.all() if t.from_state != t.to_state]
        assert states[0] == "firing"
        assert all(one != other for one, other in pairwise(states))
        assert states.count("ok") == (alert.ended_at is not None)
        kinds = [n.kind for t in alert.transitions.all() for n in t.notifications.all()]
        assert sorted(kinds) in (["firing"], ["firing", "resolved"]), (alert, kinds)
        assert ("resolved" in kinds) == (alert.ended_at is not None)
    keys = OutboxNotification.objects.values_list("idempotency_key", flat=True)
    assert len(keys) == len(set(keys))


class _Statements:
    """Lets most statements pass, and kills the process before or after some."""

    def __init__(self, rng):
        self.rng = rng

    def __call__(self, execute, *args):
        if self.rng.random() < 0.02:
            raise Killed
        result = execute(*args)
        if self.rng.random() < 0.02:
            raise Killed
        return result


def test_a_round_whose_database_fails_leaves_nothing_behind(monkeypatch):
    Node.objects.create(name="mta-01", last_seen_at=NOW)
    run_round(NOW, backlog=NOTHING_WAITS)
    later = NOW + timedelta(seconds=60)

    def fail(_):
        raise OperationalError("the disk is full")

    monkeypatch.setattr(rounds, "add_rows", fail)
    with pytest.raises(OperationalError):
        run_round(later, backlog=NOTHING_WAITS)
    assert not AlertTransition.objects.exists()

    monkeypatch.undo()
    run_round(later, backlog=NOTHING_WAITS)
    assert AlertTransition.objects.filter(to_state="firing").count() == 1
    assert OutboxNotification.objects.count() == 1
