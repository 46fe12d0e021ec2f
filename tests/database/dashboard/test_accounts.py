"""Accounts by all that they go by: WildDuck's id, the user name, the main address."""

from datetime import timedelta

import pytest
from django.utils import timezone

from server.profiles import accounts
from server.rollups.mail import details
from tests.factories import row, write

pytestmark = pytest.mark.django_db
ID, USER, ADDRESS = "6b0deea5d6fc7d5e9051a44f", "alice", "alice@corp.example"


@pytest.fixture
def now():
    return timezone.now().replace(microsecond=0) - timedelta(minutes=2)


@pytest.fixture
def sent(now):
    """One message by webmail, one by SMTP, one that WildDuck forwards by itself; a login."""
    mail = {"occurred_at": now, "event_type": "sent"}
    write(
        row(account=ID, account_name=ADDRESS, origin="webmail", **mail),
        row(account=USER, origin="smtp", **mail),
        row(account=ID, origin="forward", **mail),
        row(
            direction="mailbox", event_type="login", occurred_at=now, account=ID, account_name=USER
        ),
    )
    details.count_all(timezone.now())
    accounts.refresh(timezone.now())


@pytest.mark.parametrize("name", [ID, USER, ADDRESS])
def test_any_name_of_an_account_finds_all_that_it_sent_and_no_forward(sent, admin_client, name):
    answer = admin_client.get("/api/v1/email/profile", {"of": "account", "name": name}).json()

    assert answer["outcomes"]["events"] == {"sent": 2}
    assert set(accounts.find_spellings(name)) == {ID, USER, ADDRESS}


def test_the_list_shows_and_finds_what_an_account_goes_by(sent, admin_client):
    page = admin_client.get("/email/by/account/", {"q": ADDRESS, "range": "24h"})

    assert ID in page.content.decode()
    assert ADDRESS in page.content.decode()


def test_a_second_run_changes_nothing_and_old_names_go(sent):
    before = accounts.find_names([ID])

    accounts.refresh(timezone.now())

    assert accounts.find_names([ID]) == before == {ID: f"{USER}, {ADDRESS}"}
    assert accounts.delete_old(timezone.now() + timedelta(days=3650)) == 2
    assert accounts.find_names([ID]) == {}
