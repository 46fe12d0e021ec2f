"""Rules: their parameters, refused with the place and the fix, and those on by default."""

import pytest

from server.alerts.conditions.catalogue import CONDITIONS, DEFAULT_RULES
from server.alerts.conditions.condition import Reading, Subject, build_rule
from server.alerts.conditions.mail_flow import BOUNCES
from server.alerts.conditions.nodes import SILENCE
from server.alerts.conditions.parameters import BadRule
from server.alerts.conditions.resources import DISK
from server.alerts.states import Holds
from tests.paths import ROOT

DOCS = ROOT / "docs"


def rule(condition=BOUNCES, severity="warning", **written):
    return build_rule("mine", condition, severity, written, "rules.toml [mine]")


def test_values_may_have_the_units_of_people():
    values = rule(threshold="7.5 %", window="15 min", min_count=20).values

    assert (values["threshold"], values["window"], values["min_count"]) == (7.5, 900, 20)
    assert rule(SILENCE, threshold="1 h").values["threshold"] == 3_600


@pytest.mark.parametrize(
    ("written", "place", "problem", "fix"),
    [
        ({"threshold": float("nan")}, ".threshold", "no number", "Write it in %, such as '5 %'."),
        ({"threshold": float("inf")}, ".threshold", "no number", "such as"),
        ({"threshold": 10**400}, ".threshold", "no number", "such as"),
        ({"threshold": "nan"}, ".threshold", "no number with a unit", "such as '5 %'"),
        ({"threshold": "5 min"}, ".threshold", "unit of '5 min' does not fit", "in %"),
        ({"threshold": "5"}, ".threshold", "'5' has no unit", "in %"),
        ({"threshold": True}, ".threshold", "no number", "in %"),
        ({"threshold": None}, ".threshold", "no number", "in %"),
        ({"threshold": 101}, ".threshold", "101 % is out of bounds", "0 % to 100 %"),
        ({"threshold": "9" * 5_000}, ".threshold", "no number", "in %"),
        ({"window": "5 %"}, ".window", "does not fit", "ms or s or min or h or d"),
        ({"min_count": "50 s"}, ".min_count", "does not fit", "a plain number"),
        ({"treshold": "5 %"}, ".treshold", "no such field", "threshold, window"),
        ({"threshold": "5 %", "clear": "6 %"}, ".clear", "end while it fires", "not above 5 %"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_with_the_place_and_the_fix(written, place, problem, fix):
    with pytest.raises(BadRule) as refused:
        rule(**written)

    assert refused.value.place == f"rules.toml [mine]{place}"
    assert problem in refused.value.problem
    assert fix in refused.value.fix


def test_a_threshold_below_which_it_fires_clears_above_it():
    with pytest.raises(BadRule, match="not below 15 %"):
        rule(DISK, threshold="15 %", clear="14 %")


def test_there_is_no_other_severity():
    with pytest.raises(BadRule, match="warning or critical"):
        rule(severity="fatal")


@pytest.mark.parametrize(
    ("condition", "written", "value", "count", "holds"),
    [
        (BOUNCES, {"threshold": 5, "clear": 4}, 5.1, 50, Holds.YES),
        (BOUNCES, {"threshold": 5, "clear": 4}, 5.0, 50, Holds.BETWEEN),
        (BOUNCES, {"threshold": 5, "clear": 4}, 4.0, 50, Holds.NO),
        (BOUNCES, {"threshold": 5, "clear": 4}, 90.0, 49, Holds.NO),
        (BOUNCES, {"threshold": 5}, None, None, Holds.UNKNOWN),
        (DISK, {"threshold": 15, "clear": 17}, 14.9, None, Holds.YES),
        (DISK, {"threshold": 15, "clear": 17}, 16.0, None, Holds.BETWEEN),
        (DISK, {"threshold": 15, "clear": 17}, 17.0, None, Holds.NO),
    ],
)
def test_a_reading_is_judged_by_both_thresholds_and_the_least_count(
    condition, written, value, count, holds
):
    reading = Reading(Subject("cluster", "mail"), value, count=count)

    assert rule(condition, **written).judge(reading) is holds


# The thresholds that are wanted by default: name → severity, threshold, for (seconds).
WANTED = {
    "node_silent": ("warning", 45, 0), "node_silent_long": ("critical", 120, 0),
    "bounce_share": ("warning", 5, 1_800), "bounce_share_high": ("warning", 10, 900),
    "bounce_share_very_high": ("critical", 25, 300), "oldest_waiting": ("warning", 3_600, 120),
    "oldest_waiting_day": ("critical", 86_400, 120), "queue_long": ("warning", 10_000, 120),
    "queue_very_long": ("critical", 20_000, 120), "spool_filling": ("warning", 50, 0),
    "clock_off": ("warning", 2, 120), "clock_wrong": ("critical", 300, 0),
    "cpu_high": ("warning", 85, 600), "memory_high": ("warning", 90, 300),
    "disk_low": ("warning", 15, 60), "disk_almost_full": ("critical", 5, 30),
    "disk_full_in_days": ("warning", 604_800, 3_600),
    "disk_full_in_a_day": ("critical", 86_400, 1_800), "mongodb_lag": ("warning", 10, 300),
    "mongodb_lag_high": ("critical", 30, 60), "mongodb_oplog_short": ("warning", 86_400, 600),
    "mongodb_oplog_very_short": ("critical", 43_200, 600), "redis_memory": ("warning", 80, 60),
    "inbox_waits": ("critical", 60, 0), "worker_silent": ("critical", 30, 0),
    "account_compromised": ("critical", 40, 0), "logins_failing": ("warning", 10, 0),
    "logins_sprayed": ("warning", 10, 0),
    "delivery_slow": ("warning", 30, 600), "zone_silent": ("critical", 900, 60),
}  # fmt: skip


def test_the_rules_on_by_default_have_their_thresholds():
    rules = {
        name: (str(each.severity), each.values["threshold"], each.values["for"])
        for name, each in DEFAULT_RULES.items()
        if "threshold" in each.values
    }

    assert rules == WANTED
    assert {name for name in DEFAULT_RULES if name not in rules} == {
        "nothing_delivered", "mail_stranded", "destination_failing", "events_missing",
        "events_dropped", "source_failing", "program_stopped", "port_closed",
        "mongodb_no_primary", "mongodb_member_down", "dead_letters", "redis_silent",
        "provider_blocking", "sender_refused",
    }  # fmt: skip


def test_every_condition_has_a_rule_that_is_on():
    assert {each.condition.name for each in DEFAULT_RULES.values()} == set(CONDITIONS)


def describe_rules():
    """Return the table of docs/alerts.md."""
    rows = ["| rule | severity | fires | ends | for | what |", "|---|---|---|---|---|---|"]
    for rule in DEFAULT_RULES.values():
        condition, values = rule.condition, rule.values
        fires = ends = ""
        if condition.threshold is not None:
            sign = {"above": (">", "≤"), "below": ("<", "≥")}[condition.side]
            fires = f"{sign[0]} {condition.threshold.format(values['threshold'])}"
            ends = f"{sign[1]} {condition.threshold.format(values['clear'])}"
        fields = condition.fields
        extra = [f"{n.replace('_', ' ')} {fields[n].format(values[n])}"
                 for n in ("window", "min_count") if n in values]  # fmt: skip
        what = condition.help + (f" ({', '.join(extra)})" if extra else "")
        held = fields["for"].format(values["for"]) if values["for"] else ""
        rows.append(f"| `{rule.name}` | {rule.severity} | {fires} | {ends} | {held} | {what} |")
    return rows


def test_the_document_lists_the_rules_as_they_are():
    lines = (DOCS / "alerts.md").read_text().splitlines()

    assert [line for line in lines if line.startswith("|")] == describe_rules()
