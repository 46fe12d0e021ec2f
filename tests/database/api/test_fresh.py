"""Answers that are kept for a moment, and readers who have them already."""

import pytest
from django.core.cache import cache
from django.test import Client

from server.events.mapping import to_line
from server.storage.transaction import write_events
from tests.factories import NOW, row

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_now")]
#: Replies hold addresses, and nobody keeps those; the tag saves the body all the same.
CACHE_CONTROLS = dict.fromkeys(["throughput", "stats", "performance", "sizes"], "private, no-cache")
CACHE_CONTROLS["bounce-analysis"] = "no-store"


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.mark.parametrize(("path", "cache_control"), CACHE_CONTROLS.items())
def test_who_has_the_answer_already_gets_no_body(path, cache_control, admin_client: Client):
    address = f"/api/v1/email/{path}"
    first = admin_client.get(address)

    again = admin_client.get(address, headers={"if-none-match": first["ETag"]})

    assert first["Cache-Control"] == cache_control
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]


def test_new_mail_makes_another_answer(admin_client: Client):
    address = "/api/v1/email/throughput"
    first = admin_client.get(address)
    write_events([to_line(row(occurred_at=NOW))])

    again = admin_client.get(address, headers={"if-none-match": first["ETag"]})

    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]


def test_an_answer_is_made_once_for_all_who_ask_within_a_moment(
    admin_client: Client, settings, django_assert_num_queries
):
    settings.READ_CACHE_SECONDS = 60
    first = admin_client.get("/api/v1/email/stats?by=node")

    with django_assert_num_queries(2):  # session and user
        again = admin_client.get("/api/v1/email/stats?by=node")

    assert again.content == first.content
    other = admin_client.get("/api/v1/email/stats?by=zone").json()
    assert other["by"] == "zone"


def test_a_cached_answer_is_not_for_those_who_may_not_read(admin_client: Client, client, settings):
    settings.READ_CACHE_SECONDS = 60
    admin_client.get("/api/v1/email/stats")

    assert Client().get("/api/v1/email/stats").status_code == 401


def test_who_has_a_compressed_answer_gets_no_body_either(admin_client: Client):
    address, headers = "/api/v1/email/throughput", {"accept-encoding": "gzip"}
    first = admin_client.get(address, headers=headers)

    again = admin_client.get(address, headers=headers | {"if-none-match": first["ETag"]})

    assert first["Content-Encoding"] == "gzip"
    assert (again.status_code, again.content) == (304, b"")
