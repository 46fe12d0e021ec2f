"""Alerts in what pages say: a page is never green while one fires, nor red for what is over."""

from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.models import Alert, Incident, Severity, State, Suppression
from server.alerts.nodes import worst_level
from server.alerts.present.bell import count_incidents
from server.alerts.present.problems import Facts, find_handled, find_problems
from server.alerts.present.sentence import build_sentence
from server.alerts.present.standing import (
    AT_ONCE,
    NONE_STANDS,
    build_glance,
    build_standing,
    step_standing,
)
from server.alerts.present.tiles import build_tiles
from server.metrics.newest import NodeState
from server.nodes.queries import Reporting
from server.observability.backlog import NOTHING_WAITS, Backlog
from server.rollups.mail.queries import HourTotals

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FLOWS = HourTotals(
    {"received": 0, "delivered": 0}, {"sent": 9, "delivered": 9, "bounced": 0, "deferred": 0}, 0
)
BOTH = Reporting(2, 2, NOW)
ONE_SILENT = Reporting(2, 1, NOW, (("mta-02", NOW - timedelta(minutes=4)),))
KINDS = {
    "node_silent": "node", "node_silent_long": "node", "nothing_delivered": "cluster",
    "program_stopped": "program", "cpu_high": "node", "bounce_share_high": "cluster",
}  # fmt: skip


def ago(**span):
    return NOW - timedelta(**span)


def alert(rule, subject="mta-02", text="It is broken", pk=1, incident=None, **fields):
    severity = DEFAULT_RULES[rule].severity
    incident = incident or Incident(pk=pk, severity=severity, text=text, started_at=ago(minutes=4))
    defaults = {
        "state": State.FIRING, "since": ago(minutes=3), "started_at": ago(minutes=4),
        "fired_at": ago(minutes=3), "kind": KINDS.get(rule, "node"), "node": subject.split("/")[0],
    }  # fmt: skip
    return Alert(
        pk=pk, rule=rule, severity=severity, subject=subject, text=text, incident=incident,
        **defaults | fields,
    )  # fmt: skip


def standing_of(*alerts, evaluated_at=NOW):
    return build_standing(alerts, DEFAULT_RULES, NOW, evaluated_at)


def say(*alerts, nodes=BOTH, states=None, hour=FLOWS, evaluated_at=NOW, backlog=NOTHING_WAITS):
    """Return level and sentence of a page that has read the states of nodes, or nothing."""
    standing, glance = standing_of(*alerts, evaluated_at=evaluated_at), None
    if states is not None:
        glance = build_glance(NOW, alerts=standing.alerts, states=states)
        standing = step_standing(standing, glance)
    sentence = build_sentence(
        hour, nodes, find_problems(standing, glance), handled=find_handled(standing, glance),
        standing=standing, complete=True, backlog=backlog, now=NOW,
    )  # fmt: skip
    return sentence.level, sentence.text(NOW)


def state(name="mta-02", **programs):
    return NodeState(name, "haraka-inbound", None, 50.0, [], programs, [])


@pytest.mark.parametrize("rule", DEFAULT_RULES)
def test_no_page_says_that_all_is_well_while_an_alert_fires(rule):
    for states in (None, []):
        level, text = say(alert(rule), states=states)

        assert level != "ok"
        assert "data complete" not in text


@pytest.mark.parametrize(
    "rule",
    [n for n, each in DEFAULT_RULES.items() if each.severity == Severity.CRITICAL],
)
def test_the_sentence_is_as_severe_as_an_alert_that_waits_for_somebody(rule):
    is_of_silence = DEFAULT_RULES[rule].condition.name == "node_silent"
    is_of_server = DEFAULT_RULES[rule].condition.source == "server"

    nodes = ONE_SILENT if is_of_silence else BOTH
    behind = Backlog(events=5, oldest_at=ago(seconds=30), worker_at=NOW)

    wanted = "warning" if is_of_server else "critical"  # the server is well by now
    assert say(alert(rule), nodes=nodes)[0] == wanted
    assert say(alert(rule), nodes=nodes, backlog=behind)[0] == wanted


def test_an_alert_has_its_own_words_and_those_of_others_stay_text():
    level, text = say(alert("cpu_high", text="The processor of \u202e<b>x</b> is at 97 %"))

    assert level == "warning"
    assert text == (
        "All 2 nodes report, mail flows · 1 thing needs attention: "
        "The processor of <b>x</b> is at 97 %"
    )


def test_what_somebody_looks_after_is_shown_and_is_a_warning_at_most():
    incident = Incident(pk=7, severity="critical", acknowledged_at=NOW, acknowledged_by="ann")
    stopped = alert("program_stopped", "mta-02/haraka", incident=incident)

    level, text = say(stopped, states=[state(haraka="stopped")])

    assert level == "warning"
    assert text.endswith(" · also open: Haraka stopped on mta-02 (acknowledged by ann)")


@pytest.mark.parametrize(
    ("suppression", "why", "level"),
    [
        (Suppression.MUTED, "muted", "ok"),
        (Suppression.SILENCED, "silenced", "ok"),
        (Suppression.MAINTENANCE, "in maintenance", "ok"),
        (Suppression.NONE, "", "warning"),
    ],
)
def test_what_is_expected_is_shown_and_has_no_level(suppression, why, level):
    found, text = say(alert("cpu_high", text="busy", suppression=suppression))

    assert found == level
    assert text.endswith(f"also open: busy ({why})" if why else "1 thing needs attention: busy")


def test_what_a_cause_hides_is_not_named_beside_it():
    hidden = alert("cpu_high", suppression=Suppression.INHIBITED)

    assert say(hidden) == ("ok", "All 2 nodes report, mail flows, data complete")


def test_a_node_that_just_fell_silent_is_named_before_its_alert_and_critical_with_it():
    words = "1 of 2 nodes silent: mta-02 for 4 min · mail flows"

    assert say(nodes=ONE_SILENT) == ("warning", words)
    assert say(alert("node_silent_long"), nodes=ONE_SILENT) == ("critical", words)


def test_a_silence_that_somebody_looks_after_says_so():
    incident = Incident(pk=7, severity="critical", acknowledged_at=NOW, acknowledged_by="ann")
    both = (alert("node_silent", suppression="inhibited", incident=incident, pk=2),
            alert("node_silent_long", incident=incident))  # fmt: skip

    assert say(*both, nodes=ONE_SILENT) == (
        "warning",
        "1 of 2 nodes silent: mta-02 for 4 min (acknowledged by ann) · mail flows",
    )


def test_a_node_that_is_back_recovers_before_the_next_round():
    level, text = say(alert("node_silent_long", text="mta-02 is silent for 4 min"))

    assert level == "warning"
    assert text == (
        "All 2 nodes report, mail flows · also open: mta-02 is silent for 4 min (recovering)"
    )


def test_a_program_that_stopped_is_named_before_the_round_and_one_that_runs_recovers():
    stopped = alert("program_stopped", "mta-02/haraka", "Haraka stopped on mta-02")

    assert say(states=[state(haraka="stopped")])[1].endswith(
        "1 thing needs attention: Haraka stopped on mta-02"
    )
    assert say(stopped, states=[state(haraka="stopped")])[0] == "critical"
    assert say(stopped, states=[state()])[1].endswith(
        "also open: Haraka stopped on mta-02 (recovering)"
    )
    assert say(stopped, states=[])[1].endswith(
        "1 thing needs attention: Haraka stopped on mta-02 (no data now)"
    )


def test_mail_that_is_stuck_for_a_quarter_of_an_hour_does_not_flow():
    stuck = alert("nothing_delivered", "outbound mail",
                  "Nothing was delivered in 15 min, of 40 attempts")  # fmt: skip

    assert say(stuck) == (
        "critical",
        "All 2 nodes report, nothing was delivered in 15 min, of 40 attempts",
    )


def test_a_judgement_that_is_old_says_so():
    assert say(evaluated_at=ago(minutes=4)) == (
        "warning",
        "All 2 nodes report, mail flows · the judgement of alerts is 4 min old",
    )
    assert say(evaluated_at=ago(seconds=59))[0] == "ok"
    assert say(evaluated_at=None)[0] == "ok"


def test_tiles_have_the_level_of_their_alerts():
    standing = standing_of(
        alert("bounce_share_high", "outbound mail"),
        alert("nothing_delivered", "outbound mail", pk=2),
        alert("node_silent_long", pk=3),
    )
    facts = Facts([], [], [], [], standing=standing)

    tiles = {tile.name: tile for tile in build_tiles(FLOWS, ONE_SILENT, facts, now=NOW)}

    assert tiles["bounced"].level == "warning"
    assert tiles["delivered"].level == "critical"
    assert tiles["nodes"].level == "critical"
    assert tiles["sent"].level == ""


def test_the_bell_counts_incidents_that_wait_and_those_that_are_handled():
    seen_to = Incident(pk=3, severity="warning", acknowledged_at=NOW, acknowledged_by="ann")
    one = alert("program_stopped", "mta-02/haraka", pk=1)
    open_now = count_incidents(
        standing_of(
            one,
            alert("port_closed", "mta-02/25", pk=2, suppression="inhibited", incident=one.incident),
            alert("cpu_high", pk=3, incident=seen_to),
            alert("memory_high", pk=4, suppression="silenced"),
            alert("disk_low", pk=5),
        ),
        NOW,
    )

    bell, readers = open_now.bell(is_staff=True), open_now.bell(is_staff=False)
    assert (bell.critical, bell.warning, bell.quiet) == (1, 1, 2)
    assert bell.label == "Incidents: 1 critical and 1 warning wait for somebody, 2 handled"
    assert (readers.critical, readers.warning, readers.quiet) == (1, 3, 0)
    assert open_now.as_json()["alarms"] == [{"id": 1, "text": "It is broken"}]
    assert count_incidents(NONE_STANDS, NOW).bell(is_staff=True).label == "Incidents: none open"


def test_what_is_named_at_once_are_rules():
    assert set(AT_ONCE) <= set(DEFAULT_RULES)
    assert worst_level({"ok", "critical"}) == "critical"
