"""Rules by file and by form: commands, what the evaluator makes of them, and the log."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from server.alerts.actions import Refused
from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.definitions.parser import parse_definition
from server.alerts.definitions.store import remove_definition, save_definition
from server.alerts.evaluator.rounds import run_round
from server.alerts.models import Evaluation, OutboxNotification, RuleChange, RuleDefinition
from server.alerts.rules import active_rules, read_rules
from server.observability.backlog import NOTHING_WAITS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_route")]
FILE = """
[cpu_high]
threshold = "95%"

[few_cores]
condition = "cpu_high"
severity = "critical"
threshold = "50%"
for = "0s"
node = "mta-0*"
"""


@pytest.fixture
def run(tmp_path, settings):
    """Run the command on the directory of the setting, whose one file has this text."""
    settings.ALERT_RULES_DIR = str(tmp_path)

    def run(action, text=None):
        if text is not None:
            (tmp_path / "10.toml").write_text(text)
        out = StringIO()
        call_command("alerts", action, stdout=out, stderr=StringIO())
        return out.getvalue()

    return run


@pytest.fixture
def save(db):
    def save(name, **written):
        definition = parse_definition(name, written, "")
        return save_definition(definition, author="ann", now=timezone.now())

    return save


def test_a_load_applies_the_files_once_and_their_removal_is_the_default_again(run):
    shown = run("diff", FILE)
    assert "~ cpu_high: as by default → by 10.toml\n    threshold: 85 % → 95 %" in shown
    assert "+ few_cores: a new rule, by 10.toml" in shown
    assert active_rules() == DEFAULT_RULES

    assert run("load").endswith("2 rules in force, 2 rules changed.\n")
    rules = active_rules()
    assert rules["cpu_high"].values["threshold"] == 95
    assert rules["few_cores"].nodes == ("mta-0*",)
    stamps = list(RuleDefinition.objects.values_list("changed_at", flat=True))
    assert run("load").endswith("2 rules in force, nothing changed.\n")
    assert list(RuleDefinition.objects.values_list("changed_at", flat=True)) == stamps
    assert run("diff") == "Nothing would change.\n"

    assert "- few_cores: by 10.toml, is removed" in run("load", "")
    assert active_rules() == DEFAULT_RULES
    assert RuleChange.objects.count() == 4
    assert RuleChange.objects.filter(rule="cpu_high").last().text == (
        "as by default → by 10.toml; threshold: 85 % → 95 %; clear: 75 % → 83.8235 %"
    )


def test_an_error_in_any_file_changes_nothing(run):
    run("load", FILE)
    with pytest.raises(CommandError, match=r"1 error in .*: nothing was changed"):
        run("load", "[cpu_high]\nthreshold = nan")

    assert active_rules()["cpu_high"].values["threshold"] == 95


def test_a_load_that_dies_changes_nothing(run, monkeypatch):
    run("load", FILE)
    created = RuleChange.objects.create
    monkeypatch.setattr(RuleChange.objects, "create", lambda **values: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("load", "")
    monkeypatch.setattr(RuleChange.objects, "create", created)

    assert set(RuleDefinition.objects.values_list("name", flat=True)) == {"cpu_high", "few_cores"}


def test_check_without_a_directory_and_load_of_one_file_name_the_fix(settings, tmp_path):
    settings.ALERT_RULES_DIR = ""
    with pytest.raises(CommandError, match="set ALERT_RULES_DIR"):
        call_command("alerts", "check")
    (tmp_path / "a.toml").write_text(FILE)
    with pytest.raises(CommandError, match="is one file"):
        call_command("alerts", "load", str(tmp_path / "a.toml"))


def test_the_file_wins_over_the_form_and_the_form_cannot_change_it(run, save):
    save("cpu_high", threshold="70 %")
    save("memory_high", enabled=False)
    assert "by the form → by 10.toml" in run("load", FILE)

    with pytest.raises(Refused, match=r"The file 10\.toml defines it"):
        save("cpu_high", threshold="60 %")
    entries = read_rules()
    assert (entries["cpu_high"].source, entries["cpu_high"].file) == ("file", "10.toml")
    assert (entries["memory_high"].source, entries["memory_high"].is_enabled) == ("form", False)


def test_a_rule_of_ones_own_fires_for_what_it_matches_and_ends_when_it_goes(
    run, make_node, sample, evaluate, fired
):
    for name in ("mta-01", "mx-01"):
        sample(make_node(name), 0, cpu_percent=60.0)
    run("load", FILE)
    evaluate(0)
    assert fired() == {"few_cores mta-01": "firing"}

    run("load", FILE.replace("mta-0*", "mx-*"))
    evaluate(15)
    assert fired() == {"few_cores mx-01": "firing"}

    run("load", "")
    evaluate(30)
    assert fired() == {}
    assert OutboxNotification.objects.filter(kind="resolved").count() == 2


def test_a_rule_that_is_off_is_not_evaluated(save, make_node, sample, evaluate, states):
    sample(make_node(), 0, cpu_percent=99.0)
    evaluate(0)
    assert states() == {"cpu_high mta-01": "pending"}

    save("cpu_high", enabled=False)
    evaluate(15)
    assert states() == {}


def test_a_definition_of_another_version_leaves_the_default_in_force_and_is_named(save, evaluate):
    save("cpu_high", threshold="70 %")
    RuleDefinition.objects.update(fields={"gone": 1})
    assert active_rules()["cpu_high"] == DEFAULT_RULES["cpu_high"]

    run_round(timezone.now(), backlog=NOTHING_WAITS, is_forced=True)
    assert "there is no such field" in Evaluation.objects.get().failures["cpu_high"]


def test_a_form_rule_goes_back_to_the_default_or_goes(save):
    save("cpu_high", threshold="70 %")
    save("mine", condition="cpu_high", severity="warning")
    for name in ("cpu_high", "mine", "memory_high"):
        remove_definition(name, author="ann", now=timezone.now())

    assert active_rules() == DEFAULT_RULES
    assert list(RuleChange.objects.values_list("author", "rule")) == [
        ("ann", "mine"), ("ann", "cpu_high"), ("ann", "mine"), ("ann", "cpu_high"),
    ]  # fmt: skip
