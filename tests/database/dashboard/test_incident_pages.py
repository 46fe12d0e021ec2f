"""Pages of incidents: what is open, one of them, what people do, and the signed link."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from server.accounts.roles import Role
from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.models import Alert, AlertTransition, Incident, OutboxNotification
from server.alerts.notifications.content import ACKNOWLEDGE_SALT, make_link
from server.metrics.models import SystemSample
from server.nodes.models import Node

pytestmark = pytest.mark.django_db
HOSTILE = "<script>x</script>\u202e mta-01"


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
    assert reverse("channel-list") in page


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
    assert f"{reverse('silence-list')}?rule=node_silent_long&amp;node=mta-01" in page


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


def test_the_evidence_of_an_incident_is_its_metric_with_thresholds_and_marks(
    as_role, incident, django_assert_max_num_queries
):
    node = Node.objects.create(name="mta-01")
    for minutes in (9, 8, 7):
        at = timezone.now() - timedelta(minutes=minutes)
        SystemSample.objects.create(node=node, time=at, cpu_core_percents=[])
    client = as_role(Role.VIEWER)

    with django_assert_max_num_queries(8):
        answer = client.get(reverse("incident-evidence", args=[incident.pk])).json()

    assert (answer["label"], answer["unit"]) == ("Silence of mta-01", "s")
    assert [round(value) for _, value in answer["points"][:4]] == [0, 60, 0, 60]
    assert answer["points"][-1][1] > 400
    assert [level["text"] for level in answer["levels"]] == ["fires"]
    assert [mark["text"] for mark in answer["marks"]] == ["fired"]
    page = client.get(reverse("incident-page", args=[incident.pk])).content.decode()
    assert 'id="evidence"' in page
    assert client.get(reverse("incident-evidence", args=[99])).status_code == 404


def test_the_evidence_of_a_full_disk_is_the_fill_of_that_file_system(as_role, incident):
    Alert.objects.update(rule="disk_low", kind="file_system", subject="mta-01:/srv")
    node = Node.objects.create(name="mta-01")
    listed = [
        {"mount_point": "/", "used_percent": 20.0, "inodes_used_percent": 1.0},
        {"mount_point": "/srv", "used_percent": 91.0, "inodes_used_percent": None},
    ]
    fuller = [listed[0], listed[1] | {"inodes_used_percent": 95.0}]
    now = timezone.now()
    for minutes, disks in ((30, None), (20, listed), (10, fuller)):
        at = now - timedelta(minutes=minutes)
        SystemSample.objects.create(node=node, time=at, cpu_core_percents=[], file_systems=disks)

    client = as_role(Role.VIEWER)
    answer = client.get(reverse("incident-evidence", args=[incident.pk])).json()

    assert (answer["label"], answer["unit"]) == ("Free on mta-01:/srv", "%")
    assert [value for _, value in answer["points"] if value is not None] == [9.0, 5.0]
    assert [level["value"] for level in answer["levels"]] == [15.0, 17.0]


@pytest.mark.parametrize("rule", sorted(DEFAULT_RULES))
def test_every_rule_has_evidence_or_none_within_the_bound_of_queries(
    as_role, incident, rule, django_assert_max_num_queries
):
    Alert.objects.update(rule=rule, subject="mta-01:/", evidence={"reply": "550 no"})
    Node.objects.create(name="mta-01")
    client = as_role(Role.VIEWER)

    with django_assert_max_num_queries(8):
        assert client.get(reverse("incident-evidence", args=[incident.pk])).status_code == 200
    with django_assert_max_num_queries(20):
        assert client.get(reverse("incident-page", args=[incident.pk])).status_code == 200


def test_earlier_incidents_are_those_of_the_same_cause_and_subject_with_who_acknowledged(
    as_role, incident
):
    def earlier(ago, subject, **values):
        at = incident.started_at - ago
        one = Incident.objects.create(
            cause=incident.cause, severity="critical", text=f"of {subject}", started_at=at,
            joined_at=at, ended_at=at + timedelta(minutes=7), **values,
        )  # fmt: skip
        Alert.objects.create(
            rule="node_silent_long", severity="critical", kind="node", subject=subject,
            state="ok", since=at, started_at=at, fired_at=at, ended_at=at, incident=one,
        )  # fmt: skip

    earlier(timedelta(days=2), "mta-01", acknowledged_by="eve", acknowledged_at=timezone.now())
    earlier(timedelta(days=3), "mta-01")
    earlier(timedelta(days=91), "mta-01")
    earlier(timedelta(days=2), "mta-02")

    page = as_role(Role.VIEWER).get(reverse("incident-page", args=[incident.pk])).content.decode()

    before = page[page.index('id="incident-before"') :]
    assert "2 like it in the 90 days before" in before
    assert "acknowledged by eve" in before
    assert "7 min" in before
    assert "of mta-02" not in before
