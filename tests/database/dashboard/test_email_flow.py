"""The page as the server paints it, before any script runs."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from server.accounts import roles
from server.accounts.roles import Role
from server.events.mapping import to_line
from server.formats import UNKNOWN
from server.nodes.models import Node
from server.storage.transaction import write_events
from tests.factories import row, write_mail
from tests.page import Page

pytestmark = pytest.mark.django_db
PAGE = "/email/outbound/"
FIRST_PAINT_QUERIES = 12


@pytest.fixture
def reporting_node() -> Node:
    return Node.objects.create(name="mta-01", last_seen_at=timezone.now())


@pytest.fixture
def page(admin_client: Client):
    def get() -> Page:
        response = admin_client.get(PAGE)
        assert response.status_code == 200
        return Page(response.content.decode())

    return get


def test_a_stranger_is_sent_to_the_login_and_back(client):
    response = client.get(PAGE)

    assert response.status_code == 302
    assert response["location"] == f"/login/?next={PAGE}"


def test_links_of_an_earlier_version_lead_to_the_page(admin_client):
    assert admin_client.get("/email-flow/?range=7d")["location"] == f"{PAGE}?range=7d"


def test_logging_in_leads_to_the_overview(client):
    User.objects.create_user("operator", password="a long enough password")

    response = client.post(
        "/login/", {"username": "operator", "password": "a long enough password"}
    )

    assert response["location"] == "/"


def test_a_wrong_password_is_reported_and_the_name_kept(client):
    response = client.post("/login/", {"username": '"><i>eve', "password": "wrong"})

    html = response.content.decode()
    assert "Wrong user name or password" in html
    assert "&quot;&gt;&lt;i&gt;eve" in html
    assert "<i>eve" not in html


def test_with_no_node_it_says_what_to_do(page):
    html = page()

    assert "No node has reported yet" in html
    assert 'data-empty="true"' in html
    assert "create_api_key --scope agent" in html
    assert "DASHBOARD_URL=http://testserver" in html


def test_it_is_painted_with_the_numbers_of_the_last_hour(page, reporting_node):
    write_mail(
        ("outbound", "sent", 1200), ("outbound", "delivered", 1190), ("outbound", "bounced", 6)
    )
    write_mail(("outbound", "deferred", 4))

    html = page()

    assert html.counter("outbound.sent") == ("1,200", None)
    assert html.counter("outbound.delivered") == ("1,190", "99.2 %")
    assert html.counter("outbound.bounced") == ("6", "0.5 %")
    assert html.counter("outbound.deferred") == ("4", "0.3 %")
    assert "1 node reports, mail flows" in html


def test_mail_older_than_an_hour_is_not_counted(page, reporting_node):
    write_events([to_line(row(occurred_at=timezone.now() - timedelta(minutes=62)))])

    html = page()

    assert html.counter("outbound.delivered") == ("0", UNKNOWN)
    assert "no mail in the last 60 minutes" in html


def test_what_was_inferred_is_reported_in_words(page, reporting_node):
    assert page().is_hidden("inferred")

    write_mail(("outbound", "delivered", 12), certainty="inferred")

    html = page()
    assert "12 of these outcomes are inferred by the change stream" in html
    assert not html.is_hidden("inferred")


def test_of_what_was_inferred_only_outbound_outcomes_are_counted(page, reporting_node):
    write_mail(("outbound", "delivered", 2), ("outbound", "sent", 5), certainty="inferred")
    write_mail(("inbound", "delivered", 7), certainty="inferred")

    assert "2 of these outcomes are inferred by the change stream" in page()


def test_a_silent_node_is_named_with_the_time_it_is_silent(page, reporting_node):
    Node.objects.create(
        name="mta-03", last_seen_at=timezone.now() - timedelta(minutes=4, seconds=5)
    )

    assert "1 of 2 nodes silent: mta-03 for 4 min" in page().text


def test_a_hostile_node_name_stays_text(page, reporting_node):
    hostile = '</script><script>alert("x")</script>'
    Node.objects.create(name=hostile, last_seen_at=timezone.now() - timedelta(minutes=4))

    html = page()

    assert "alert(" in html
    assert "<script>alert" not in html.source


def test_the_first_paint_asks_few_questions(
    admin_client, reporting_node, django_assert_max_num_queries
):
    Node.objects.create(name="mta-02")
    write_mail(("outbound", "delivered", 3))

    with django_assert_max_num_queries(FIRST_PAINT_QUERIES):
        admin_client.get(PAGE)


def test_the_demo_says_what_was_generated(page, settings):
    assert "Demo:" not in page()

    settings.DEMO_HISTORY_UNTIL = "2026-11-21T09:30:00Z"

    html = page()
    assert "Demo:" in html
    assert 'datetime="2026-11-21T09:30:00+00:00">2026-11-21 09:30 UTC</time>' in html


def test_nothing_inline_runs_and_the_policy_says_so(admin_client):
    response = admin_client.get(PAGE)

    directives = dict(
        d.strip().split(" ", 1) for d in response["content-security-policy"].split(";") if d.strip()
    )
    assert "unsafe-inline" not in directives.get("script-src", directives["default-src"])
    page = Page(response.content.decode())
    assert page.scripts()
    assert all("src=" in each or 'type="application/json"' in each for each in page.scripts())
    assert page.inline_handlers() == []


def test_going_back_refreshes(admin_client):
    assert admin_client.get(PAGE)["cache-control"] == "no-store"


def test_administration_is_offered_to_staff_alone(client, page):
    viewer = User.objects.create_user("viewer")
    roles.assign(viewer, Role.VIEWER)
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")

    assert 'href="/admin/"' in page()
    assert 'href="/admin/"' not in client.get(PAGE).content.decode()


def test_the_user_menu_logs_out_with_a_post(admin_client):
    assert re.search(
        r'<form method="post" action="/logout/">', admin_client.get(PAGE).content.decode()
    )
    assert admin_client.get("/logout/").status_code == 405

    assert admin_client.post("/logout/")["location"] == "/login/"
