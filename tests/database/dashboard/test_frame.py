"""Parts that all pages share: URL parameters, navigation, policy, number of queries."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from server.accounts import roles
from server.accounts.roles import Role
from server.alerts.models import Alert, Evaluation, Incident
from server.dashboard.shell.page import parse_params, render_page
from server.nodes.models import Node
from tests.factories import write_mail
from tests.page import Page

PAGES = ["/", "/email/outbound/", "/email/inbound/", "/email/performance/"]
FIRST_PAINT_QUERIES = 13


@pytest.fixture
def busy(db):
    """One node that reports, one that is silent, and mail of all kinds in both directions."""
    Node.objects.create(name="mta-01", last_seen_at=timezone.now())
    Node.objects.create(name="mta-02")
    write_mail(("outbound", "sent", 20), ("outbound", "delivered", 3), delivery_time_ms=1_500)
    write_mail(("outbound", "deferred", 12), to_domain="slow.example", status_message="451 later")
    write_mail(("inbound", "received", 2), ("inbound", "rejected", 1), ("inbound", "deferred", 1))


def test_the_url_says_range_refresh_and_zone():
    params = parse_params({"range": "7d", "refresh": "5m", "tz": "Asia/Bangkok"})

    assert (params.range, params.refresh, params.zone) == ("7d", "5m", "Asia/Bangkok")
    assert params.range_label == "Last 7 days"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"range": "5y", "refresh": "1ms", "tz": "Moon/Sea"},
        {"from": "yesterday", "to": "today"},
        {"from": "2026-11-20T10:00:00", "to": "2026-11-20T11:00:00"},  # no offset
        {"from": "2026-11-20T11:00:00Z", "to": "2026-11-20T10:00:00Z"},
        {"from": "2026-11-20T11:00:00Z"},
    ],
)
def test_what_makes_no_sense_is_as_if_it_were_not_there(query):
    params = parse_params(query)

    assert (params.range, params.start, params.refresh, params.zone) == ("24h", None, "30s", "")


def test_a_range_of_its_own_goes_before_a_named_one():
    params = parse_params(
        {"range": "7d", "from": "2026-11-20T10:00:00 02:00", "to": "2026-11-20T09:30:00Z"}
    )

    assert params.range == "custom"
    assert params.start == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert params.range_label == "2026-11-20 10:00 to 2026-11-20 09:30 UTC"


@pytest.mark.parametrize("path", PAGES)
def test_the_first_paint_asks_few_questions(
    path, admin_client, busy, django_assert_max_num_queries
):
    with django_assert_max_num_queries(FIRST_PAINT_QUERIES):
        assert admin_client.get(path).status_code == 200


def test_a_page_does_not_replace_what_the_frame_of_every_page_needs(rf, admin_user):
    request = rf.get("/")
    request.user = admin_user

    with pytest.raises(ValueError, match=r"overview/page: .* facts, modules; use other names"):
        render_page(request, "overview/page", {"facts": {}, "modules": [], "own": 1})


@pytest.mark.parametrize("path", PAGES)
def test_nothing_inline_runs_and_the_policy_says_so(path, admin_client, busy):
    response = admin_client.get(path)

    directives = dict(
        d.strip().split(" ", 1) for d in response["content-security-policy"].split(";") if d.strip()
    )
    assert "unsafe-inline" not in directives.get("script-src", directives["default-src"])
    page = Page(response.content.decode())
    assert page.scripts()
    assert all("src=" in each or 'type="application/json"' in each for each in page.scripts())
    assert page.inline_handlers() == []


@pytest.mark.parametrize("path", PAGES)
def test_strangers_are_sent_to_the_login_and_back_with_all_parameters(path, client):
    response = client.get(f"{path}?range=7d")

    assert response.status_code == 302
    assert response["location"] == f"/login/?next={path}%3Frange%3D7d"


@pytest.mark.parametrize("path", PAGES)
def test_the_open_page_is_marked_in_the_navigation(path, admin_client, db):
    page = Page(admin_client.get(path).content.decode())

    assert page.links(aria_current="page") == [path]


def test_the_menus_are_links_that_keep_the_other_parameters(admin_client, db):
    html = admin_client.get("/email/outbound/?tz=UTC&range=7d").content.decode()

    assert 'href="?tz=UTC&amp;range=1h" data-range="1h"' in html
    assert re.search(r'data-range="7d" aria-current="true"', html)
    assert re.search(r'data-zone="UTC" aria-current="true"', html)


@pytest.mark.parametrize("path", PAGES)
def test_a_hostile_node_name_stays_text(path, admin_client, db):
    Node.objects.create(name='</script><script>alert("x")</script>', last_seen_at=timezone.now())
    write_mail(
        ("outbound", "deferred", 12), to_domain="x.example", status_message="<b>alert(1)</b>"
    )

    html = admin_client.get(path).content.decode()

    assert "<script>alert" not in html
    assert "<b>alert" not in html


@pytest.mark.parametrize("path", PAGES)
def test_only_staff_is_offered_administration(path, client, db):
    viewer = User.objects.create_user("viewer")
    roles.assign(viewer, Role.VIEWER)
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")

    assert 'href="/admin/"' not in client.get(path).content.decode()


@pytest.fixture
def alerting(busy):
    """A critical alert that waits for somebody, and a warning that somebody looks after."""
    now = timezone.now()
    for number, severity, who in ((1, "critical", ""), (2, "warning", "ann")):
        incident = Incident.objects.create(
            cause="cpu_high", severity=severity, text="busy", started_at=now, joined_at=now,
            acknowledged_at=now if who else None, acknowledged_by=who,
        )  # fmt: skip
        Alert.objects.create(
            rule="mongodb_no_primary" if number == 1 else "cpu_high", severity=severity,
            kind="node", subject=f"mta-0{number}", node=f"mta-0{number}", state="firing",
            since=now, started_at=now, fired_at=now, text=f"trouble {number} <b>",
            incident=incident,
        )  # fmt: skip
    return Evaluation.objects.create(started_at=now, resumed_at=now)


@pytest.mark.parametrize("path", PAGES)
def test_the_bell_counts_what_waits_for_staff_and_what_is_open_for_readers(
    path, client, alerting, django_assert_max_num_queries
):
    bells = {}
    for role in (Role.OPERATOR, Role.VIEWER):
        user = User.objects.create_user(str(role))
        roles.assign(user, role)
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        with django_assert_max_num_queries(FIRST_PAINT_QUERIES + 1):  # and the role
            html = client.get(path).content.decode()
        bells[role] = re.search(r'data-audience="(\w+)" title="([^"]*)"', html).groups()

    assert bells[Role.OPERATOR] == ("staff", "Incidents: 1 critical waits for somebody, 1 handled")
    assert bells[Role.VIEWER] == ("reader", "Incidents: 1 critical and 1 warning open")


@pytest.mark.parametrize("path", ["/", "/nodes/"])
def test_the_sentence_names_what_fires_and_what_is_looked_after(path, admin_client, alerting):
    html = admin_client.get(path).content.decode()

    sentence = unescape(Page(html).sentence)
    assert "trouble 1 <b>" in sentence
    assert sentence.endswith(" · also open: trouble 2 <b> (acknowledged by ann)")
    assert 'data-part="favicon" data-level="critical"' in html


def test_the_page_of_a_node_names_its_alerts(admin_client, alerting):
    html = admin_client.get("/nodes/named/mta-01/").content.decode()

    listed = html.split('aria-label="Open alerts"')[1].split("</ul>")[0]
    assert "trouble 1 &lt;b&gt;" in listed
    assert "trouble 2" not in listed


def test_a_judgement_that_is_old_is_called_that_on_every_page(admin_client, alerting):
    Evaluation.objects.update(started_at=timezone.now() - timedelta(minutes=4))

    html = admin_client.get("/").content.decode()
    incidents = admin_client.get("/alerts/incidents/").content.decode()

    assert "the judgement of alerts is 4 min old" in Page(html).sentence
    assert "1 handled, as judged 4 min ago" in html
    assert "The last round over the rules was 4 min ago" in incidents


def test_all_a_page_imports_is_fetched_at_once(admin_client, db):
    html = admin_client.get("/email/outbound/").content.decode()

    fetched = re.findall(r'<link rel="modulepreload" href="/static/([^"]+)">', html)
    assert {"dashboard/shell/page.js", "dashboard/shell/times.js"} <= set(fetched)
    assert not any("echarts" in path for path in fetched)  # large, and comes after the first paint
    assert "dashboard/pages/mail_flow/outbound.js" not in fetched
