"""Pages of rules and silences: the lists, the forms with their previews, and who may do what."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from server.accounts.roles import Role
from server.alerts.definitions.parser import parse_definition
from server.alerts.definitions.store import load_definitions
from server.alerts.models import Alert, MutedRule, RuleDefinition, Silence
from server.alerts.rules import read_rules
from tests.page import Page

pytestmark = pytest.mark.django_db
HOSTILE = '<script>x</script>\u202e"mta-01'
QUERIES = 12


@pytest.fixture
def admin(as_role):
    return as_role(Role.ADMIN)


@pytest.fixture
def firing():
    now = timezone.now()
    return Alert.objects.create(
        rule="cpu_high", severity="warning", kind="node", subject="mta-01", node="mta-01",
        state="firing", since=now, started_at=now, fired_at=now, text=HOSTILE,
    )  # fmt: skip


def show(client, name, *args, **query):
    answer = client.get(reverse(name, args=args), query)
    assert answer.status_code == 200
    return Page(answer.content.decode())


def act(client, route, **values):
    answer = client.post(reverse(route), values, follow=True)
    assert answer.status_code == 200
    return Page(answer.content.decode())


def test_the_list_shows_every_rule_with_its_figures_and_its_state(admin, firing):
    MutedRule.objects.create(rule="disk_low", at=timezone.now(), author="ann", reason="x")
    page = show(admin, "rule-list")

    rows = {row[0].split()[0]: row[1:] for row in page.rows()}
    assert set(rows) == set(read_rules())
    assert rows["cpu_high"] == ["warning", "> 85 %", "10 min", "1 firing", "1", "by default"]
    assert rows["disk_low"][3] == "muted"
    assert f"{len(rows)} rules are evaluated every 15 seconds; 1 fires now, 1 muted." in page.text


def test_the_pages_take_a_bounded_number_of_queries(admin, firing, django_assert_max_num_queries):
    # A preview is a transaction: within a test it takes a savepoint, which is two statements more.
    pages = {"/alerts/rules/": 0, "/alerts/rules/named/cpu_high/": 2, "/alerts/silences/": 0}
    for address, more in pages.items():
        admin.get(address)
        with django_assert_max_num_queries(QUERIES + more):
            admin.get(address)


def test_a_form_previews_saves_and_goes_back_to_the_default(admin):
    typed = {"threshold": "95 %", "clear": "75 %", "for": "10 min", "severity": "warning"}
    preview = act(admin, "rule-act", name="cpu_high", action="preview", **typed)
    assert 'value="95 %"' in preview
    assert "There is no history yet" in preview.text
    assert not RuleDefinition.objects.exists()

    saved = act(admin, "rule-act", name="cpu_high", action="save", enabled="off", **typed)
    assert RuleDefinition.objects.get().fields == {"enabled": False, "threshold": 95, "clear": 75}
    assert "off" in saved.text
    assert "threshold: 85 % → 95 %" in saved.text

    back = act(admin, "rule-act", name="cpu_high", action="remove")
    assert not RuleDefinition.objects.exists()
    assert 'value="85 %"' in back
    assert LogEntry.objects.count() == 2


def test_what_is_wrong_is_marked_where_it_was_typed_and_nothing_is_saved(admin):
    page = act(admin, "rule-act", name="cpu_high", action="save", threshold="5 min")

    assert 'value="5 min"' in page
    assert "threshold: the unit of '5 min' does not fit" in page.text
    assert 'aria-invalid="true"' in page
    assert not RuleDefinition.objects.exists()


def test_a_new_rule_is_made_for_some_subjects_and_removed(admin):
    assert "zone_silent: Mail of a zone is due" in show(admin, "rule-new")
    form = show(admin, "rule-new", condition="zone_silent")
    assert 'name="node"' not in form

    made = act(admin, "rule-act", name="bulk_stands", action="save", condition="zone_silent",
               threshold="30 min", severity="warning", subject="bulk\r\nslow-*\r\n")  # fmt: skip
    assert "bulk_stands" in made.text
    assert read_rules()["bulk_stands"].rule.subjects == ("bulk", "slow-*")
    again = act(admin, "rule-act", name="bulk_stands", action="save", condition="cpu_high",
                severity="warning")  # fmt: skip
    assert "There is a rule of this name already." in again.text
    bad = act(admin, "rule-act", name="No Name", action="save", condition="cpu_high")
    assert "cannot be the name of a rule" in bad.text

    act(admin, "rule-act", name="bulk_stands", action="remove")
    assert "bulk_stands" not in read_rules()
    assert admin.get(reverse("rule-page", args=["bulk_stands"])).status_code == 404


def test_a_rule_of_a_file_is_shown_as_such_and_is_read_only(admin):
    definition = parse_definition("cpu_high", {"threshold": 90}, "")
    files = {"cpu_high": ("10.toml", definition)}
    load_definitions(files, author=HOSTILE, now=timezone.now())

    page = show(admin, "rule-page", "cpu_high")
    assert "The file 10.toml defines this rule." in page.text
    assert '<fieldset class="search-row" disabled>' in page
    assert "<script>x" not in page.source
    refused = act(admin, "rule-act", name="cpu_high", action="save", threshold="50 %")
    assert "The file 10.toml defines it" in refused.text


def test_operators_mute_and_viewers_only_read(as_role):
    operator = as_role(Role.OPERATOR)
    muted = act(operator, "rule-act", name="cpu_high", action="mute", reason=HOSTILE)
    assert "Muted by a-operator" in muted.text
    assert "<script>x" not in muted.source
    assert "Administrators change rules." in muted.text
    assert (
        operator.post(reverse("rule-act"), {"name": "cpu_high", "action": "save"}).status_code
        == 403
    )
    act(operator, "rule-act", name="cpu_high", action="unmute")
    assert not MutedRule.objects.exists()

    viewer = as_role(Role.VIEWER)
    assert "Mute" not in show(viewer, "rule-page", "cpu_high").text
    assert viewer.post(reverse("rule-act"), {"action": "preview"}).status_code == 403
    assert viewer.post(reverse("silence-act"), {"reason": "x"}).status_code == 403
    assert "New silence" not in show(viewer, "silence-list").text
    assert viewer.get(reverse("rule-act")).status_code == 405


def test_a_silence_shows_what_it_would_hide_is_made_and_ended(as_role, firing):
    operator = as_role(Role.OPERATOR)
    page = show(operator, "silence-list", rule="cpu_high", node="mta-*")
    assert "This would hide 1 alert that fires now:" in page.text
    assert "<script>x" not in page.source
    assert "This would hide no alert" in show(operator, "silence-list", node="mx-*").text
    assert "matches everything" in show(operator, "silence-list").text

    made = act(operator, "silence-act", node="mta-*", length="4h", reason=HOSTILE)
    assert "1 silence is in force." in made.text
    silence = Silence.objects.get()
    assert (silence.node, silence.rule, silence.author) == ("mta-*", "", "a-operator")
    assert silence.ends_at - silence.starts_at == timedelta(hours=4)
    no_reason = act(operator, "silence-act", node="mx-*", length="4h", reason=" ")
    assert "Say why" in no_reason.text
    assert 'value="mx-*"' in no_reason
    unknown = act(operator, "silence-act", severity="fatal", length="4h", reason="x")
    assert "severity: Write warning or critical" in unknown.text
    assert Silence.objects.count() == 1  # it would hide everything if the severity were left out

    ended = act(operator, "silence-act", action="end", silence=silence.pk)
    assert "Nothing is silenced" in ended.text
    assert "node mta-*" in ended.text
    assert (
        operator.post(reverse("silence-act"), {"action": "end", "silence": "x"}).status_code == 404
    )
    assert LogEntry.objects.count() == 2
