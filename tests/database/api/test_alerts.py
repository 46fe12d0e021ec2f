"""The API of alerts and incidents: reading, and the actions of operators, which are audited."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from server.accounts.roles import Role
from server.alerts.evaluator.rounds import run_round
from server.alerts.models import Alert, Incident, MutedRule, Silence
from server.nodes.models import ApiKey, Node
from server.observability.backlog import NOTHING_WAITS
from tests.factories import NOW, client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_now")]


@pytest.fixture
def incident():
    """A node that is silent."""
    Node.objects.create(name="mta-01", last_seen_at=NOW - timedelta(hours=1))
    run_round(NOW - timedelta(seconds=60), backlog=NOTHING_WAITS)
    run_round(NOW, backlog=NOTHING_WAITS)
    return Incident.objects.get()


@pytest.fixture
def operator():
    return client_of(Role.OPERATOR)


def post(client, path, **body):
    return client.post(f"/api/v1/{path}", body, content_type="application/json")


def test_open_alerts_are_read_with_their_state_and_their_evidence(get_json, incident):
    (alert,) = get_json("alerts", state="firing")["alerts"]

    assert (alert["rule"], alert["subject"], alert["incident_id"]) == (
        "node_silent",
        "mta-01",
        incident.pk,
    )
    assert alert["evidence"] == {"last_contact_at": "2026-11-21T09:07:10+00:00"}
    assert [each["state"] for each in get_json("alerts", node="mta-01")["alerts"]] == [
        "firing",
        "no_data",
        "no_data",
    ]
    assert get_json("alerts", open="false")["alerts"] == []
    (listed,) = get_json("incidents")["incidents"]
    assert (listed["severity"], listed["alerts_count"]) == ("warning", 1)


def test_an_incident_is_acknowledged_by_the_first_who_does(operator, incident):
    answer = post(operator, f"incidents/{incident.pk}", action="acknowledge", text="on it")
    admin = client_of(Role.ADMIN)
    post(admin, f"incidents/{incident.pk}", action="acknowledge", text="me too")

    assert answer.status_code == 200
    assert answer.json()["incident"]["acknowledged_by"] == "operator"
    notes = admin.get(f"/api/v1/incidents/{incident.pk}").json()["notes"]
    assert [(each["kind"], each["author"], each["text"]) for each in notes] == [
        ("acknowledged", "operator", "on it"),
        ("comment", "admin", "me too"),
    ]
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "acknowledge on it",
        "acknowledge me too",
    ]

    post(operator, f"incidents/{incident.pk}", action="reopen")
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


@pytest.mark.parametrize("length", ["1h", "4h", "24h"])
def test_a_snoozed_incident_notifies_nobody_for_so_long(length, operator, incident):
    answer = post(operator, f"incidents/{incident.pk}", action="snooze", **{"for": length})

    until = NOW + timedelta(hours=int(length[:-1]))
    assert answer.json()["incident"]["snoozed_until"] == until.isoformat().replace("+00:00", "Z")
    run_round(NOW + timedelta(seconds=15), backlog=NOTHING_WAITS)
    assert Alert.objects.get(rule="node_silent").suppression == "snoozed"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "snooze"}, "until"),
        ({"action": "snooze", "for": "2h"}, "for"),
        ({"action": "snooze", "until": "2026-11-21T10:00:00Z"}, "until"),  # past
        ({"action": "snooze", "until": "2027-11-21T10:00:00Z"}, "until"),
        ({"action": "comment"}, "text"),
        ({"action": "delete"}, "action"),
    ],
)
def test_an_action_without_sense_is_refused_by_name_and_not_in_the_log(
    body, field, operator, incident
):
    answer = post(operator, f"incidents/{incident.pk}", **body)

    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert not LogEntry.objects.exists()


def test_nobody_but_operators_and_administrators_acts(incident):
    path = f"/api/v1/incidents/{incident.pk}"
    _, key = ApiKey.issue(name="grafana", scope=ApiKey.Scope.READ)
    with_key = Client(headers={"authorization": f"Bearer {key}"})
    from_afar = Client(enforce_csrf_checks=True)
    from_afar.force_login(User.objects.create_superuser("root"))

    for client, code in (
        (client_of(Role.VIEWER), 403), (with_key, 403), (Client(), 401), (from_afar, 403),
    ):  # fmt: skip
        answer = client.post(path, {"action": "acknowledge"}, content_type="application/json")
        assert answer.status_code == code
        assert post(client, "silences", ends_at="2026-11-22T10:00:00Z").status_code == code
        assert post(client, "rules/cpu_high", muted=True).status_code == code
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_a_silence_is_made_with_an_end_and_a_reason_and_ended(operator, incident):
    assert post(operator, "silences", ends_at="2026-11-22T10:00:00Z").status_code == 400
    assert post(operator, "silences", ends_at="2026-11-20T10:00:00Z", reason="x").json() == {
        "ends_at": ["It must be later than now, and within 366 days."]
    }
    body = {"node": "mta-*", "ends_at": "2026-11-22T10:00:00Z", "reason": "moving house"}
    made = post(operator, "silences", **body)
    assert made.status_code == 201
    run_round(NOW + timedelta(seconds=15), backlog=NOTHING_WAITS)
    assert Alert.objects.get(rule="node_silent").suppression == "silenced"

    ended = operator.delete(f"/api/v1/silences/{made.json()['id']}")

    assert ended.json()["ends_at"].startswith("2026-11-21T10:07:10")
    with time_machine.travel(NOW + timedelta(seconds=1), tick=False):
        assert operator.get("/api/v1/silences").json() == {"silences": []}
        assert len(operator.get("/api/v1/silences?past=true").json()["silences"]) == 1
    assert Silence.objects.count() == 1
    assert LogEntry.objects.count() == 2


def test_a_rule_is_muted_with_a_reason_and_unmuted(operator, get_json):
    assert post(operator, "rules/cpu_high", muted=True).status_code == 400
    muted = post(operator, "rules/cpu_high", muted=True, reason="builds at night")
    assert muted.json()["muted"]["author"] == "operator"
    by_name = {each["name"]: each for each in get_json("rules")["rules"]}
    assert by_name["cpu_high"]["muted"]["reason"] == "builds at night"
    assert by_name["bounce_share"]["values"]["threshold"] == 5
    assert by_name["bounce_share"]["units"]["window"] == "s"

    assert post(operator, "rules/cpu_high", muted=False).json()["muted"] is None
    assert not MutedRule.objects.exists()
    assert post(operator, "rules/nonsense", muted=True, reason="x").status_code == 404
