"""Searches for events that people keep."""

import pytest
from django.contrib.admin.models import LogEntry

from server.accounts import saved_searches
from server.accounts.models import SavedSearch
from server.accounts.roles import Role
from tests.factories import client_of

pytestmark = pytest.mark.django_db
PATH = "/events/saved/?type=bounced&to_domain=*.good.example&range=7d&page=9"


@pytest.fixture
def viewer():
    return client_of(Role.VIEWER)


def test_a_search_is_kept_by_name_and_leads_to_its_events(viewer):
    reply = viewer.post(PATH, {"name": "  bounces of <good> "}, follow=True)

    kept = SavedSearch.objects.get()
    assert kept.query == "type=bounced&to_domain=%2A.good.example&range=7d"
    page = reply.content.decode()
    assert 'href="/events/?type=bounced&amp;to_domain=%2A.good.example&amp;range=7d"' in page
    assert "bounces of &lt;good&gt;" in page
    assert "type=bounced" in LogEntry.objects.get().change_message


def test_a_search_is_of_one_person_who_alone_deletes_it(viewer):
    viewer.post(PATH, {"name": "mine"})
    other = client_of(Role.ADMIN)
    number = SavedSearch.objects.get().pk

    other.post("/events/saved/", {"forget": number})
    assert "mine" not in other.get("/events/").content.decode()
    assert SavedSearch.objects.count() == 1
    viewer.post("/events/saved/", {"forget": number})
    assert SavedSearch.objects.count() == 0


def test_the_same_name_replaces_and_the_number_is_bounded(viewer, monkeypatch):
    monkeypatch.setattr(saved_searches, "MAX_SEARCHES", 2)
    for name in ("a", "b", "a"):
        viewer.post(PATH, {"name": name})
    page = viewer.post(PATH, {"name": "c"}, follow=True).content.decode()

    assert sorted(SavedSearch.objects.values_list("name", flat=True)) == ["a", "b"]
    assert "You keep 2 searches" in page


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (PATH, {"name": " "}),
        (PATH, {"name": "x" * 61}),
        ("/events/saved/", {"name": "without a filter"}),
        ("/events/saved/?type=exploded", {"name": "wrong"}),
        ("/events/saved/", {"forget": "x"}),
        ("/events/saved/", {"forget": "9" * 40}),
    ],
)
def test_what_is_no_search_is_not_kept(viewer, path, form):
    assert viewer.post(path, form, follow=True).status_code == 200
    assert SavedSearch.objects.count() == 0


def test_a_stranger_keeps_nothing(client):
    assert client.post(PATH, {"name": "x"})["location"].startswith("/login/")
