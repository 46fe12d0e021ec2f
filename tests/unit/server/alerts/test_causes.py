"""Causes of alerts, and incidents of them."""

from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.evaluator.causes import find_causes
from server.alerts.evaluator.incidents import group
from server.alerts.models import Alert

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def alert(rule, subject="mta-01", node="mta-01", evidence=(), *, state="firing", fired_at=NOW):
    condition = DEFAULT_RULES[rule].condition
    return Alert(
        rule=rule, severity=DEFAULT_RULES[rule].severity, kind=condition.subject, subject=subject,
        node=node, state=state, since=NOW, started_at=NOW, fired_at=fired_at, text=f"{rule}!",
        evidence=dict(evidence),
    )  # fmt: skip


SILENT, SILENT_LONG = ("node_silent",), ("node_silent_long",)
NO_PRIMARY = ("mongodb_no_primary", "rs0", "", {"members": {"mta-01.example.net:27017": "DOWN"}})
BLOCK = ("provider_blocking", "Yahoo ip 192.0.2.7", "")
OF_BLOCK = {"block": "Yahoo ip 192.0.2.7"}
WITHOUT_BLOCK = OF_BLOCK | {"fires_without_block": True}


@pytest.mark.parametrize(
    ("hidden", "cause"),
    [
        (("cpu_high",), SILENT),
        (("program_stopped", "mta-01/zonemta"), SILENT),
        (SILENT, SILENT_LONG),
        (("disk_low", "mta-01:/"), ("disk_almost_full", "mta-01:/")),
        (("zone_silent", "bulk", ""), NO_PRIMARY),
        (("mongodb_member_down", "rs0/a:1", ""), NO_PRIMARY),
        (("source_failing", "mta-01/redis"), ("program_stopped", "mta-01/redis")),
        (("port_closed", "mta-01/587"), ("program_stopped", "mta-01/zonemta")),
        (("redis_memory",), ("program_stopped", "mta-01/redis")),
        (("node_silent",), ("redis_silent", "redis", "")),
        (("bounce_share", "outbound mail", ""), ("inbox_waits", "inbox", "")),
        (("destination_failing", "yahoo.example", "", OF_BLOCK), BLOCK),
        (("bounce_share", "outbound mail", "", OF_BLOCK), BLOCK),
        (("nothing_delivered", "outbound mail", "", OF_BLOCK), BLOCK),
        (("queue_very_long", "mta-01", "mta-01", OF_BLOCK), BLOCK),
        (("oldest_waiting", "a queue", "", OF_BLOCK), BLOCK),
        (("program_stopped", "mta-01/mongodb"), NO_PRIMARY),
        (("mongodb_member_down", "rs0/mta-01.example.net:27017", ""), SILENT),
        (("mongodb_lag", "rs0/mta-01:27017", ""), ("program_stopped", "mta-01/mongodb")),
        (("mail_stranded", "a queue", "", {"nodes": ["mta-01"]}), SILENT),
        (
            ("mail_stranded", "a queue", "", {"nodes": ["mta-01"]}),
            ("program_stopped", "mta-01/zonemta"),
        ),
    ],
)
def test_a_cause_hides_what_it_leads_to_and_not_the_other_way(hidden, cause):
    below, above = alert(*hidden), alert(*cause)

    assert find_causes([below, above], DEFAULT_RULES) == {id(below): above}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("cpu_high", "mta-02", "mta-02"), SILENT),
        (("cpu_high",), ("memory_high",)),
        (("bounce_share", "outbound mail", ""), NO_PRIMARY),
        (("bounce_share", "outbound mail", ""), SILENT),
        (("port_closed", "mta-01/25"), ("program_stopped", "mta-01/zonemta")),
        (("dead_letters", "dead letters", ""), ("redis_silent", "redis", "")),
        (("destination_failing", "yahoo.example", "", {"block": "Yahoo provider"}), BLOCK),
        (("bounce_share_high", "outbound mail", "", WITHOUT_BLOCK), BLOCK),
        (("delivery_slow", "outbound mail", "", OF_BLOCK), BLOCK),
        (("mail_stranded", "a queue", "", {"nodes": ["mta-01", ""]}), SILENT),
        (
            ("mongodb_member_down", "rs0/10.0.0.1:27017", ""),
            ("node_silent", "10.0.0.2", "10.0.0.2"),
        ),
        (("program_stopped", "mta-02/mongodb", "mta-02"), NO_PRIMARY),
    ],
)
def test_what_has_nothing_to_do_with_it_is_not_hidden(one, other):
    assert find_causes([alert(*one), alert(*other)], DEFAULT_RULES) == {}


def test_the_cause_of_a_cause_is_the_cause_of_both():
    source = alert("source_failing", "mta-01/redis")
    program = alert("program_stopped", "mta-01/redis")
    node, longer = alert("node_silent"), alert("node_silent_long")

    causes = find_causes([source, program, node, longer], DEFAULT_RULES)

    assert causes == {id(source): longer, id(program): longer, id(node): longer}


def test_what_a_block_does_not_explain_is_not_hidden_under_what_it_does():
    few = alert("bounce_share", "outbound mail", "", WITHOUT_BLOCK)
    many = alert("bounce_share_very_high", "outbound mail", "", OF_BLOCK)
    block = alert(*BLOCK)

    assert find_causes([few, many, block], DEFAULT_RULES) == {id(many): block}


def test_an_effect_that_fired_before_its_block_was_found_joins_the_incident_of_the_block():
    effect = alert("queue_long", evidence=OF_BLOCK)
    (before,) = group([effect], [], {}, DEFAULT_RULES, NOW).new
    block = alert(*BLOCK)
    causes = find_causes([effect, block], DEFAULT_RULES)

    grouping = group([effect, block], [before], causes, DEFAULT_RULES, NOW)

    assert effect.incident is block.incident
    assert (before.ended_at, before.merged_into) == (NOW, block.incident)
    assert grouping.merged == [(before, block.incident)]


def test_what_has_not_fired_hides_nothing():
    pending = alert("node_silent", state="pending", fired_at=None)

    assert find_causes([alert("cpu_high"), pending], DEFAULT_RULES) == {}


def test_alerts_of_one_condition_are_one_incident_only_while_they_follow_each_other():
    first = alert("cpu_high")
    incidents = group([first], [], {}, DEFAULT_RULES, NOW).new
    second, other = alert("cpu_high", "mta-02", "mta-02"), alert("memory_high")
    soon = NOW + timedelta(minutes=4)
    incidents += group([first, second, other], incidents, {}, DEFAULT_RULES, soon).new
    late = alert("cpu_high", "mta-03", "mta-03")
    later = soon + timedelta(minutes=6)
    incidents += group([first, second, other, late], incidents, {}, DEFAULT_RULES, later).new

    assert first.incident is second.incident
    assert [each.cause for each in incidents] == ["cpu_high", "memory_high", "cpu_high"]
    assert incidents[0].text == "cpu_high! (and 1 more)"
    assert late.incident is incidents[2]


def test_an_incident_ends_with_its_last_alert():
    one, other = alert("cpu_high"), alert("cpu_high", "mta-02", "mta-02")
    (incident,) = group([one, other], [], {}, DEFAULT_RULES, NOW).new

    one.state = "ok"
    group([one, other], [incident], {}, DEFAULT_RULES, NOW)
    assert incident.ended_at is None
    other.state = "ok"
    group([one, other], [incident], {}, DEFAULT_RULES, NOW)
    assert incident.ended_at == NOW
