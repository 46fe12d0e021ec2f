"""Guessing of passwords is slow, by whatever names and addresses, and delays nobody else."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from server.accounts import logins, roles
from server.accounts.roles import Role
from server.timescale.actors import run_housekeeping

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"
NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def frozen():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def admin():
    user = User.objects.create_user("the-admin", password=PASSWORD)
    roles.assign(user, Role.ADMIN)
    return user


def log_in(name, password, address="203.0.113.7", path="/login/"):
    form = {"username": name, "password": password}
    return Client().post(path, form, REMOTE_ADDR=address)


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_an_address_that_tries_many_names_is_locked(admin, settings, path):
    settings.LOGIN_FAILURES_OF_ADDRESS = 5
    wrong = [log_in(f"guess-{n}", "wrong", path=path).status_code for n in range(5)]

    locked = log_in("the-admin", PASSWORD, path=path)

    assert (wrong, locked.status_code) == ([200] * 5, 429)
    assert log_in("the-admin", PASSWORD, "198.51.100.1", path=path).status_code == 302


def test_the_lock_of_an_address_ends(admin, settings, frozen):
    settings.LOGIN_FAILURES_OF_ADDRESS = 5
    for n in range(5):
        log_in(f"guess-{n}", "wrong")

    frozen.shift(settings.AXES_COOLOFF_TIME + timedelta(seconds=1))

    assert log_in("the-admin", PASSWORD).status_code == 302


def test_a_name_that_is_tried_from_everywhere_is_slowed_down_but_not_for_its_owner(admin, frozen):
    assert log_in("the-admin", PASSWORD, "192.0.2.1").status_code == 302
    for n in range(logins.SLOW_FROM_FAILURES):
        assert log_in("the-admin", "wrong", f"198.51.100.{n}").status_code == 200

    assert log_in("the-admin", PASSWORD, "203.0.113.9").status_code == 429
    assert log_in("the-admin", PASSWORD, "192.0.2.1").status_code == 302
    frozen.shift(logins.SLOW_EVERY + timedelta(seconds=1))
    assert log_in("the-admin", PASSWORD, "203.0.113.9").status_code == 302


def test_one_who_would_wait_long_to_log_in_is_sent_away_at_once(admin):
    for _ in range(logins.MAX_AT_ONCE):
        logins._places.acquire()
    try:
        busy = log_in("the-admin", PASSWORD)
    finally:
        logins._places.release(logins.MAX_AT_ONCE)

    assert "Try again in a few seconds" in busy.content.decode()
    assert not AccessAttempt.objects.exists()
    assert log_in("the-admin", PASSWORD).status_code == 302


def test_a_turn_is_over_however_it_ends():
    for _ in range(2 * logins.MAX_AT_ONCE):
        with contextlib.suppress(ValueError), logins.turn():
            raise ValueError

    with logins.turn():
        pass


@pytest.mark.parametrize("name", ["x" * 151, "x" * 100_000])
def test_a_name_that_is_too_long_is_no_name(name):
    answer = log_in(name, "wrong")

    assert (answer.status_code, 'role="alert"' in answer.content.decode()) == (200, True)
    assert not AccessAttempt.objects.exists()


def test_records_of_logins_and_ended_sessions_are_deleted_in_time(admin, settings, frozen):
    log_in("the-admin", PASSWORD)
    log_in("guess", "wrong")
    run_housekeeping()
    assert [m.objects.count() for m in (AccessAttempt, AccessLog, Session)] == [1, 1, 1]

    frozen.shift(timedelta(days=settings.LOGIN_RECORDS_RETENTION_DAYS + 1))
    run_housekeeping()

    assert [m.objects.count() for m in (AccessAttempt, AccessLog, Session)] == [0, 0, 0]
