"""The API of rules: administrators define them, and a back-test says what they would have fired."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry

from server.accounts.roles import Role
from server.alerts.backtest import history, preview
from server.alerts.definitions.parser import parse_definition
from server.alerts.definitions.store import load_definitions
from server.alerts.models import Block, RuleDefinition
from server.metrics.models import SystemSample
from server.nodes.models import Node
from server.rollups.samples.rebuild import rebuild
from server.timescale.rows import fetch_rows
from tests.factories import NOW, client_of, row, write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_now")]


@pytest.fixture
def call():
    client = client_of(Role.ADMIN)

    def call(method, path, **body):
        send = getattr(client, method)
        return send(f"/api/v1/{path}", body, content_type="application/json")

    return call


def test_an_administrator_defines_changes_and_removes_a_rule_in_the_audit_log(call):
    made = call("post", "rules", name="mine", condition="cpu_high", severity="critical",
                threshold="50 %", node=["mta-*"], **{"for": 60})  # fmt: skip
    assert made.status_code == 201
    assert (made.json()["source"], made.json()["match"]["node"]) == ("form", ["mta-*"])
    assert call("post", "rules", name="mine", condition="cpu_high").json() == {
        "name": ["This rule is defined already: change it by PATCH."]
    }
    changed = call("patch", "rules/mine", threshold=60, node=None).json()
    assert (changed["values"]["threshold"], changed["match"]["node"]) == (60, [])
    off = call("patch", "rules/cpu_high", enabled=False).json()
    assert (off["enabled"], off["source"]) == (False, "form")

    assert call("delete", "rules/mine").status_code == 204
    assert call("delete", "rules/cpu_high").status_code == 204
    assert call("get", "rules/mine").status_code == 404
    assert call("get", "rules/cpu_high").json()["source"] == "default"
    log = LogEntry.objects.order_by("pk").values_list("object_repr", "change_message")
    assert [name for name, _ in log] == ["mine", "mine", "cpu_high", "mine", "cpu_high"]
    assert "threshold: 50 % → 60 %" in log[1][1]


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({"name": "mine"}, "condition", "there is none"),
        ({"name": "a b"}, "name", "cannot be the name"),
        ({"name": "cpu_high", "threshold": "5 min"}, "threshold", "does not fit"),
        ({"name": "cpu_high", "threshold": [1]}, "threshold", "no number with a unit"),
        ({"name": "cpu_high", "window": 60}, "window", "no such field"),
        ({"name": "cpu_high", "threshold": 50, "clear": 60}, "clear", "end while it fires"),
    ],
    ids=["no condition", "name", "unit", "list", "field", "side"],
)
def test_what_cannot_be_a_rule_is_refused_by_field(call, body, field, problem):
    for path in ("rules", "rules/preview"):
        answer = call("post", path, **body)
        assert answer.status_code == 400
        assert problem in answer.json()[field][0]
    assert not RuleDefinition.objects.exists()


def test_only_administrators_define_rules_and_only_staff_previews_them():
    for role, code in ((Role.OPERATOR, 200), (Role.VIEWER, 403)):
        client, body = client_of(role), {"name": "cpu_high", "threshold": 50}
        send = {"data": body, "content_type": "application/json"}
        assert client.post("/api/v1/rules", **send).status_code == 403
        assert client.patch("/api/v1/rules/cpu_high", **send).status_code == 403
        assert client.delete("/api/v1/rules/cpu_high").status_code == 403
        assert client.post("/api/v1/rules/preview", **send).status_code == code


def test_a_rule_of_a_file_cannot_be_changed(call):
    definition = parse_definition("cpu_high", {"threshold": 90}, "")
    load_definitions({"cpu_high": ("10.toml", definition)}, author="x", now=NOW)

    assert call("patch", "rules/cpu_high", threshold=50).json() == {
        "name": ["The file 10.toml defines it: change it there, and load it."]
    }
    assert call("delete", "rules/cpu_high").status_code == 400
    assert call("get", "rules/cpu_high").json()["file"] == "10.toml"


@pytest.fixture
def busy_node(committing_database):
    """A node whose processors were busy for 20 minutes an hour ago; its levels are counted."""
    node = Node.objects.create(name="mta-01", last_seen_at=NOW)
    start = NOW.replace(minute=0, second=0) - timedelta(hours=2)
    SystemSample.objects.bulk_create(
        SystemSample(
            node=node,
            time=start + timedelta(minutes=n),
            cpu_percent=95 if 30 <= n < 50 else 10,
            ram_used_percent=10,
            cpu_core_percents=[],
        )
        for n in range(120)
    )
    day = NOW.replace(hour=0, minute=0, second=0)
    list(rebuild(day, day, now=NOW))
    return start


def test_a_preview_replays_the_levels(call, busy_node):
    answer = call("post", "rules/preview", name="cpu_high", **{"for": "10 min"}).json()

    assert (answer["reason"], answer["fired_count"], answer["subjects_count"]) == ("", 1, 1)
    (firing,) = answer["firings"]
    assert (firing["subject"], firing["node"], firing["peak"]) == ("mta-01", "mta-01", 95)
    fired_at = busy_node + timedelta(minutes=40)
    assert firing["fired_at"] == f"{fired_at:%FT%TZ}"
    assert firing["lasted_s"] == 11 * 60
    assert answer["since"] == f"{busy_node:%FT%TZ}"
    later = {"for": "25 min"}
    assert call("post", "rules/preview", name="cpu_high", **later).json()["fired_count"] == 0
    other = call("post", "rules/preview", name="cpu_high", node=["mx-*"]).json()
    assert (other["fired_count"], other["subjects_count"]) == (0, 0)


def test_a_preview_replays_mail_and_blocks(call):
    at = NOW - timedelta(minutes=30)
    bounce = {"occurred_at": at, "event_type": "bounced", "direction": "outbound"}
    write(*(row(**bounce) for _ in range(60)))
    Block.objects.create(
        kind="ip", provider="Outlook", subject="192.0.2.1", started_at=NOW - timedelta(hours=4),
        found_at=NOW - timedelta(hours=3), refused_at=NOW - timedelta(hours=2),
        ended_at=NOW - timedelta(hours=1), refused_count=70, taken_count=0,
    )  # fmt: skip

    mail = call("post", "rules/preview", name="bounce_share", **{"for": "1 min"}).json()
    block = call("post", "rules/preview", name="provider_blocking", subject=["Outlook*"]).json()

    assert (mail["fired_count"], mail["firings"][0]["peak"]) == (1, 100)
    assert block["firings"][0]["subject"] == "Outlook ip 192.0.2.1"
    assert block["firings"][0]["lasted_s"] == 2 * 3_600 + 15 * 60


def test_a_preview_of_silence_looks_for_gaps_between_samples(call, busy_node):
    SystemSample.objects.filter(time__range=(busy_node + timedelta(minutes=62), NOW)).delete()
    SystemSample.objects.create(
        node=Node.objects.get(), time=NOW - timedelta(minutes=10), cpu_core_percents=[]
    )
    day = NOW.replace(hour=0, minute=0, second=0)
    list(rebuild(day, day, now=NOW))

    answer = call("post", "rules/preview", name="node_silent_long").json()

    now, before = answer["firings"]
    assert (now["ended_at"], now["node"]) == (None, "mta-01")
    assert before["fired_at"] == f"{busy_node + timedelta(minutes=64):%FT%TZ}"
    assert before["peak"] == 54 * 60
    assert answer["since"] == f"{busy_node:%FT%TZ}"


def test_a_preview_says_where_no_history_is_kept_or_none_is_there(call):
    silent = call("post", "rules/preview", name="program_stopped").json()
    empty = call("post", "rules/preview", name="cpu_high").json()

    assert silent["reason"].startswith("No history is kept of what this rule reads")
    assert empty["reason"].startswith("There is no history yet")
    assert silent["firings"] == empty["firings"] == []


def test_a_preview_that_takes_too_long_is_ended_and_says_so(call, busy_node, monkeypatch):

    def read(start, end, values):

        return fetch_rows("SELECT pg_sleep(60)")

    monkeypatch.setattr(preview, "STATEMENT_TIMEOUT_S", 0.05)
    monkeypatch.setitem(preview.HISTORIES, "cpu_high", history.History(read, ""))

    answer = call("post", "rules/preview", name="cpu_high")
    assert answer.json()["reason"].startswith("The history is too long")
