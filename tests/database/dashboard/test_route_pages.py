"""Routes by page and API: by role, audited, validated; and who would be woken by an alert now."""

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from server.accounts.roles import Role
from server.alerts.models import Channel, MutedRule, NotificationRoute, Silence
from server.alerts.notifications import store
from server.alerts.notifications.routes.editing import MAX_ROUTES

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
LIST, NEW = reverse("route-list"), reverse("route-new")
API = "/api/v1/routes"
TYPED = {
    "name": "nights", "position": "1", "severities": ["critical"], "rules": [], "node": "mta-*",
    "subject": "", "after_0": "0", "channels_0": ["chat"], "after_1": "15",
    "channels_1": ["phone", "chat"], "repeat_min": "60", "quiet_from": "", "quiet_to": "",
    "time_zone": "Europe/Berlin",
}  # fmt: skip
STEPS = [
    {"after_min": 0, "channels": ["chat"]},
    {"after_min": 15, "channels": ["phone", "chat"]},
]


@pytest.fixture(autouse=True)
def channels():
    for name in ("chat", "phone", "off"):
        row = Channel(kind="webhook", is_enabled=name != "off")
        store.save_channel(row, {"url": "https://hooks.example/x", "secret": "k"}, name=name)


def text(client, address, **query):
    return client.get(address, query).content.decode()


def make_route(**values):
    return NotificationRoute.objects.create(**{"name": "all", "steps": STEPS} | values)


def log():
    return list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))


@pytest.mark.parametrize(
    ("role", "listed", "edited"),
    [(Role.ADMIN, 200, 200), (Role.OPERATOR, 200, 403), (Role.VIEWER, 403, 403)],
)
def test_operators_see_routes_and_administrators_change_them(as_role, role, listed, edited):
    client, row = as_role(role), make_route()
    form = reverse("route-form", args=[row.pk])

    assert client.get(LIST).status_code == listed
    assert client.get(API).status_code == client.get(f"{API}/{row.pk}").status_code == listed
    assert client.get(f"{API}/preview?rule=cpu_high").status_code == listed
    assert [client.get(address).status_code for address in (form, NEW)] == [edited, edited]
    if role is not Role.ADMIN:
        assert client.post(reverse("route-delete", args=[row.pk])).status_code == 403
        assert client.delete(f"{API}/{row.pk}").status_code == 403
        assert client.post(API, {}, content_type="application/json").status_code == 403
        assert NotificationRoute.objects.count() == 1


def test_a_route_is_made_changed_and_deleted_with_its_log(as_role):
    client = as_role(Role.ADMIN)

    assert client.post(NEW, TYPED).status_code == 302
    row = NotificationRoute.objects.get()
    assert (row.steps, row.severities, row.node, row.repeat_min) == (
        STEPS, ["critical"], "mta-*", 60,
    )  # fmt: skip
    form = reverse("route-form", args=[row.pk])
    shown = text(client, form)
    assert 'value="15"' in shown
    assert client.post(form, TYPED | {"node": "db-*"}).status_code == 302
    assert "nights" in text(client, LIST)
    client.post(reverse("route-delete", args=[row.pk]))
    assert not NotificationRoute.objects.exists()
    assert log() == ["Made.", "node: 'mta-*' → 'db-*'", "Deleted."]


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ({"name": ""}, "required"),
        ({"channels_1": ["gone"]}, "Step 2: there is no channel gone."),
        ({"after_1": "0"}, "Each step comes later than the one before it."),
        ({"after_1": "NaN"}, "Step 2: after_min is minutes, 0 to 10080."),
        ({"after_1": "99999999999999999999"}, "Step 2: after_min is minutes"),
        ({"channels_0": []}, "Step 1: name one channel at least."),
        ({"quiet_from": "22:00"}, "Give both times, or neither"),
        ({"quiet_from": "22:00", "quiet_to": "22:00"}, "Give another time than the first"),
        ({"quiet_from": "26:00", "quiet_to": "07:00"}, "Enter a valid time."),
        ({"time_zone": "../etc"}, "Use a name such as Europe/Berlin."),
        ({"rules": ["no_such"]}, "no_such is not one of the available choices"),
        ({"subject": "x" * 401}, "at most 400 characters"),
        ({"node": "a\0b"}, "Null characters are not allowed."),
        ({"name": "<b>\u202e"}, ""),
    ],
)
def test_what_makes_no_sense_is_refused_beside_its_field_and_stays_typed(as_role, typed, problem):
    client = as_role(Role.ADMIN)
    answer = client.post(NEW, TYPED | typed)

    if not problem:
        assert answer.status_code == 302
        assert "<b>" not in text(client, LIST)
        return
    shown = answer.content.decode()
    assert problem.replace("'", "&#x27;") in shown
    assert "Nothing was saved" in shown
    assert 'value="60"' in shown
    assert not NotificationRoute.objects.exists()


def test_the_api_makes_and_changes_routes_and_names_what_is_wrong(as_role):
    client = as_role(Role.ADMIN)

    def send(method, address, **body):
        return getattr(client, method)(address, body, content_type="application/json")

    refused = send("post", API, name="x", steps=[{"after_min": 5, "channels": ["chat"]}])
    assert refused.status_code == 400
    assert "Step 1: after_min is 0" in refused.content.decode()
    made = send("post", API, name="x", steps=STEPS, quiet_from="22:00", quiet_to="07:00").json()
    assert made["quiet_from"] == "22:00:00"
    changed = send("patch", f"{API}/{made['id']}", severities=["warning"])
    assert (changed.json()["severities"], changed.json()["steps"]) == (["warning"], STEPS)
    assert changed.json()["quiet_to"] == "07:00:00"
    assert send("patch", f"{API}/{made['id']}", quiet_to=None).status_code == 400
    assert client.delete(f"{API}/{made['id']}").status_code == 204
    assert client.get(f"{API}/{made['id']}").status_code == 404
    assert log() == ["Made.", "severities: '[]' → \"['warning']\"", "Deleted."]


def test_no_more_routes_are_made_than_a_round_can_try(as_role):
    rows = [NotificationRoute(name=f"r{number}", steps=STEPS) for number in range(MAX_ROUTES)]
    NotificationRoute.objects.bulk_create(rows)

    answer = as_role(Role.ADMIN).post(NEW, TYPED)

    assert "There are 200 routes already" in answer.content.decode()


@time_machine.travel(NOW, tick=False)
def test_who_would_be_woken_is_who_the_outbox_would_notify(as_role):
    make_route(severities=["critical"], repeat_min=60)
    make_route(
        name="days", position=1, severities=["warning"],
        steps=[{"after_min": 0, "channels": ["off", "chat"]}],
        quiet_from=time(22), quiet_to=time(7), time_zone="Europe/Berlin",
    )  # fmt: skip
    client = as_role(Role.OPERATOR)

    def ask(**alert):
        answer = client.get(f"{API}/preview", alert).json()
        keys = ("channel", "route", "after_min", "repeat_min", "held_until", "enabled")
        return [tuple(wake[key] for key in keys) for wake in answer["wakes"]]

    assert ask(rule="node_silent_long", node="mta-01") == [
        ("chat", "all", 0, 0, None, True),
        ("phone", "all", 15, 60, None, True),
        ("chat", "all", 15, 60, None, True),
    ]
    held = "2026-11-22T06:00:00Z"
    assert ask(rule="cpu_high", node="mta-01") == [
        ("off", "days", 0, 0, held, False),
        ("chat", "days", 0, 0, held, True),
    ]
    shown = text(client, LIST, rule="node_silent_long", node="mta-01")
    assert "At once: chat." in shown
    assert "after 15 min, unless acknowledged, then every 1 h" in shown
    assert "when the quiet hours end, 07:00 CET" in text(client, LIST, rule="cpu_high")
    assert client.get(f"{API}/preview", {"rule": "no_such"}).status_code == 400


@pytest.mark.parametrize("why", ["no route", "silence", "mute"])
def test_where_nobody_would_be_woken_it_says_why(as_role, why):
    make_route(node="db-*" if why == "no route" else "")
    now = datetime.now(UTC)
    if why == "silence":
        Silence.objects.create(
            node="mta-*", starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1)
        )
    if why == "mute":
        MutedRule.objects.create(rule="cpu_high", at=now, author="a", reason="b")

    shown = text(as_role(Role.OPERATOR), LIST, rule="cpu_high", node="mta-01")

    words = {"no route": "no route matches it", "silence": "a silence hides it",
             "mute": "its rule is muted"}  # fmt: skip
    assert f"Nobody: {words[why]}." in shown


def test_the_page_needs_few_queries(as_role, django_assert_max_num_queries):
    for number in range(5):
        make_route(name=f"r{number}")
    client = as_role(Role.OPERATOR)
    text(client, LIST)
    with django_assert_max_num_queries(16):
        text(client, LIST, rule="cpu_high", node="mta-01")
