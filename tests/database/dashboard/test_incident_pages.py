"""Pages of incidents: what is open, one of them, what people do, and the signed link."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from server.accounts.roles import Role, assign
from server.alerts.models import Alert, AlertTransition, Incident, OutboxNotification
from server.alerts.notifications.content import ACKNOWLEDGE_SALT, make_link

pytestmark = pytest.mark.django_db
HOSTILE = "<script>x</script>\u202e mta-01"


@pytest.fixture
def as_role(client):
    def login(role):
        user = get_user_model().objects.create_user(f"a-{role}", password="x")
        assign(user, role)
        client.force_login(user)
        return client

    return login


@pytest.fixture
def incident():
    now = timezone.now() - timedelta(minutes=5)
    one = Incident.objects.create(
        cause="node_silent_long", severity="critical", text=HOSTILE, started_at=now, joined_at=now
    )
    alert = Alert.objects.create(
        rule="node_silent_long",
        severity="critical",
        kind="node",
        subject="mta-01",
        node="mta-01",
        state="firing",
        since=now,
        started_at=now,
        fired_at=now,
        text=HOSTILE,
        evidence={"contact": HOSTILE},
        incident=one,
    )
    flip = AlertTransition.objects.create(
        alert=alert, at=now, from_state="pending", to_state="firing", text=HOSTILE
    )
    OutboxNotification.objects.create(
        transition=flip,
        incident=one,
        kind="firing",
        route="all",
        channel="ops",
        idempotency_key="k",
        created_at=now,
        next_attempt_at=now,
        last_error=HOSTILE,
    )
    return one


def act(client, incident, action, **values):
    address = reverse("incident-act", args=[incident.pk])
    return client.post(address, {"action": action, **values}, follow=True).content.decode()


def test_without_incidents_the_page_says_so_and_what_to_set_up(as_role):
    page = as_role(Role.ADMIN).get(reverse("incident-list")).content.decode()

    assert "Nothing is wrong: no incident is open." in page
    assert reverse("admin:alerts_channel_changelist") in page


def test_open_incidents_come_first_with_who_looks_after_them(as_role, incident):
    Incident.objects.create(
        cause="cpu_high",
        severity="warning",
        text="busy",
        started_at=incident.started_at,
        joined_at=incident.started_at,
        ended_at=timezone.now(),
    )
    page = as_role(Role.VIEWER).get(reverse("incident-list")).content.decode()

    assert "1 open incident, 1 critical; nobody has acknowledged 1." in page
    assert "<script>x" not in page
    assert page.index("nobody yet") < page.index("busy")


def test_one_incident_shows_its_alerts_its_history_and_its_notifications(as_role, incident):
    page = as_role(Role.OPERATOR).get(reverse("incident-page", args=[incident.pk])).content.decode()

    assert "<script>x" not in page
    assert "nobody has acknowledged it" in page
    assert "firing, waits" in page
    assert reverse("node-page", args=["mta-01"]) in page


def test_an_operator_acknowledges_snoozes_comments_and_takes_it_back(as_role, incident):
    client = as_role(Role.OPERATOR)

    assert "acknowledged by a-operator" in act(client, incident, "acknowledge", text="on it")
    assert "commented: the disk is full" in act(
        client, incident, "comment", text="the disk is full"
    )
    assert "snoozed until" in act(client, incident, "1h")
    assert "nobody has acknowledged it" in act(client, incident, "reopen")
    assert "Write something." in act(client, incident, "comment")
    log = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert log == ["acknowledge on it", "comment the disk is full", "1h", "reopen"]


def test_a_viewer_reads_and_cannot_act(as_role, incident):
    client = as_role(Role.VIEWER)

    assert (
        "Acknowledge"
        not in client.get(reverse("incident-page", args=[incident.pk])).content.decode()
    )
    answer = client.post(reverse("incident-act", args=[incident.pk]), {"action": "acknowledge"})
    assert answer.status_code == 403
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_nobody_acts_by_a_get_or_without_a_login(client, as_role, incident):
    address = reverse("incident-act", args=[incident.pk])
    assert client.post(address, {"action": "acknowledge"})["Location"].startswith("/login")
    assert as_role(Role.ADMIN).get(address).status_code == 405


def test_an_incident_that_is_not_there_is_404(as_role):
    assert as_role(Role.VIEWER).get(reverse("incident-page", args=[99])).status_code == 404
    assert as_role(Role.ADMIN).post(reverse("incident-act", args=[99])).status_code == 404


def test_a_signed_link_acknowledges_by_post_alone(client, incident, settings):
    settings.PUBLIC_URL = "https://mallard.example"
    address = make_link(incident.notifications.get()).removeprefix(settings.PUBLIC_URL)

    assert "<script>x" not in client.get(address).content.decode()
    incident.refresh_from_db()
    assert incident.acknowledged_at is None
    assert "Acknowledged by" in client.post(address).content.decode()
    client.post(address)

    incident.refresh_from_db()
    assert incident.acknowledged_by == "link sent by ops"
    assert incident.notes.count() == 1


@pytest.mark.parametrize(
    ("content", "salt"),
    [
        ({"incident": 1, "channel": "ops"}, ""),
        ({"incident": 99, "channel": "ops"}, ACKNOWLEDGE_SALT),
    ],
    ids=["of another purpose", "of no incident"],
)
def test_a_link_that_is_not_ours_does_nothing(client, incident, content, salt):
    token = signing.dumps(content, **({"salt": salt} if salt else {}))
    for each in (token, "x"):
        assert client.post(reverse("acknowledge-by-link", args=[each])).status_code == 404
    incident.refresh_from_db()
    assert incident.acknowledged_at is None
