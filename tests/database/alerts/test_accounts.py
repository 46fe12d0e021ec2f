"""Accounts that others may use, and addresses that guess passwords, read from stored mail."""

from datetime import timedelta

import pytest
from django.utils import timezone

from server.alerts.evaluator.accounts import read_accounts
from server.alerts.snapshot import AccountActivity, LoginFailures
from server.profiles import accounts as names
from server.rollups.mail import details
from tests.factories import row, write

pytestmark = pytest.mark.django_db
ID, USER = "6b0deea5d6fc7d5e9051a44f", "alice"


@pytest.fixture
def now():
    return timezone.now()


def login(now, minutes_ago, event_type="login_failed", **fields):
    at = now - timedelta(minutes=minutes_ago)
    values = {"direction": "mailbox", "account": USER, "client_ip": "192.0.2.7"} | fields
    return row(event_type=event_type, occurred_at=at, **values)


def test_an_account_is_read_by_all_its_names_against_its_usual_hour(now):
    at = now - timedelta(minutes=3)
    usual = (now - timedelta(minutes=30)).replace(minute=10, second=0, microsecond=0)
    sent = {"event_type": "sent", "direction": "outbound"}
    write(
        *[row(account=USER, occurred_at=usual - timedelta(days=1), **sent) for _ in range(14)],
        *[row(account=USER, occurred_at=at, client_ip=f"192.0.2.{n}", to_domain=f"d{n}.example",
              **sent) for n in range(60)],
        *[row(account=ID, occurred_at=at, event_type="bounced") for _ in range(50)],
        row(account="small", occurred_at=at, **sent),
        login(now, 5, "login", account=ID, account_name=USER),
    )  # fmt: skip
    details.count_all(now)
    names.refresh(now)

    activities, _ = read_accounts(now)

    assert activities == [AccountActivity(ID, 60, 2.0, 50, 50, 60, 60)]


def test_logins_after_failures_and_addresses_that_fail_are_found(now):
    write(
        *[login(now, 2) for _ in range(12)],
        login(now, 1, "login", account=ID, account_name=USER),
        *[login(now, 20, account=f"user{n}", client_ip="192.0.2.8") for n in range(11)],
        *[login(now, 90, account="old") for _ in range(20)],
    )
    names.refresh(now)

    activities, clients = read_accounts(now)

    assert activities == [AccountActivity(ID, failures=12)]
    assert clients == [LoginFailures("192.0.2.7", 12, 1), LoginFailures("192.0.2.8", 0, 11)]


def test_failures_after_the_login_count_for_nobody(now):
    write(login(now, 9, "login"), *[login(now, 2) for _ in range(12)])

    assert read_accounts(now)[0] == []
