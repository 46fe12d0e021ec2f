"""Errors say what happened and what to do, with an id that is also in the log."""

import re

import pytest
from django.test import Client

from server.dashboard.shell import errors
from server.live import messages


def the_id(html: str) -> str:
    return re.search(r"id <code>(\w+)</code>", html)[1]


@pytest.mark.django_db
def test_a_missing_page_is_reported_in_our_words_with_an_id_that_is_logged(client, caplog):
    response = client.get("/no-such-page")

    assert response.status_code == 404
    html = response.content.decode()
    assert "There is no such page" in html
    assert f"Error page {the_id(html)}: 404 for '/no-such-page'" in caplog.text


def test_a_refusal_is_reported_with_an_id(rf, caplog):
    response = errors.forbidden(rf.get("/admin/"), PermissionError())

    assert response.status_code == 403
    assert the_id(response.content.decode()) in caplog.text


@pytest.mark.django_db
def test_a_crash_is_reported_with_an_id_under_which_the_log_has_the_traceback(
    admin_user, caplog, monkeypatch
):
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)
    monkeypatch.setattr(messages, "read_totals", lambda: 1 / 0)

    response = client.get("/email/outbound/")

    assert response.status_code == 500
    html = response.content.decode()
    assert "No mail data is lost" in html
    logged = next(r for r in caplog.records if the_id(html) in r.getMessage())
    assert logged.exc_info[0] is ZeroDivisionError


def test_an_old_form_is_reported_in_our_words(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    response = client.post("/logout/")

    assert response.status_code == 403
    assert "This form is too old" in response.content.decode()
