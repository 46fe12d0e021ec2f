"""A node's page: programs, ports, the agent and completeness."""

from datetime import UTC, datetime, timedelta

import pytest

from server.dashboard.pages.node import page as detail
from server.ledger.queries import Completeness
from server.observability.backlog import Backlog

NOW = datetime(2026, 11, 21, 10, 8, 10, tzinfo=UTC)


@pytest.fixture
def agent(golden):
    """The agent's sample of the contract, with fields replaced."""

    def make(**fields):
        return (
            golden("metrics_agent.json")["agent"] | {"plugins": [], "reconciliation": []} | fields
        )

    return make


def healthy(agent):
    return agent(plugin_dropped_total=0, refused_events_total=0)


def line(health, label):
    return next(each for each in health.lines if each.label == label)


def epoch(**fields):
    values = {
        "node": "mta-01", "epoch": "e1", "first_seq": 1, "last_seq": 5_000, "repeated_count": 0,
        "refused_count": 0, "first_received_at": NOW - timedelta(days=1), "last_received_at": NOW,
        "missing_count": 0, "dropped_count": 0, "missing_ranges": [], "dropped_ranges": [],
    }  # fmt: skip
    return Completeness(**values | fields)


def test_programs_that_stopped_come_first_and_numbers_of_what_does_not_run_are_unknown():
    gone = {"pid": None, "memory_mb": 0.0, "cpu_percent": 0.0}
    running = {"status": "running", "pid": 611, "memory_mb": 24.1, "cpu_percent": None}
    rows = [
        {"process": "redis"} | running,
        {"process": "wildduck", "status": "not_found"} | gone,
        {"process": "rspamd", "status": "stopped"} | gone,
    ]

    processes = detail.build_processes(rows)

    assert [(p.name, p.status, p.level) for p in processes] == [
        ("Rspamd", "stopped", "critical"),
        ("Redis", "running", "ok"),
        ("WildDuck", "not found", "none"),
    ]
    assert [(p.memory, p.cpu) for p in processes] == [("–", "–"), ("24.1 MB", "–"), ("–", "–")]  # noqa: RUF001


def test_a_program_that_the_role_names_and_that_is_not_found_has_stopped():
    gone = {"pid": None, "memory_mb": 0.0, "cpu_percent": 0.0, "status": "not_found"}

    processes = detail.build_processes(
        [{"process": "haraka"} | gone, {"process": "redis"} | gone], role="haraka-inbound"
    )

    assert [(p.name, p.status, p.level) for p in processes] == [
        ("Haraka", "stopped", "critical"),
        ("Redis", "not found", "none"),
    ]


def test_programs_and_ports_of_a_node_that_reports_no_more_have_no_colour():
    running = {"process": "redis", "status": "running", "pid": 1, "memory_mb": 1.0,
               "cpu_percent": 1.0}  # fmt: skip
    ports = [
        {"service": f"port_{number}", "is_open": number > 100, "was_open": number != 26}
        for number in (25, 26, 587)
    ]

    processes = detail.build_processes([running], is_stale=True)

    assert [p.level for p in processes] == ["none"]
    assert [p.level for p in detail.build_ports(ports, is_stale=True)] == ["none", "none", "none"]
    assert [p.level for p in detail.build_ports(ports)] == ["critical", "none", "ok"]


def test_an_agent_that_reports_no_more_is_not_called_well(agent):
    health = detail.build_agent_health(healthy(agent), NOW, is_stale=True)

    assert "ok" not in {line.level for line in health.lines}


def test_closed_ports_come_first_and_are_called_by_what_they_are_for():
    rows = [
        {"service": "port_995", "is_open": False, "was_open": False},
        {"service": "port_12080", "is_open": True, "was_open": True},
        {"service": "port_587", "is_open": True, "was_open": True},
        {"service": "port_11334", "is_open": False, "was_open": True},
    ]

    assert [(p.number, p.name, p.state) for p in detail.build_ports(rows)] == [
        ("11334", "Rspamd", "no"),
        ("995", "POP3S", "never seen open"),
        ("587", "submission", "yes"),
        ("12080", "ZoneMTA API", "yes"),
    ]


def test_an_agent_that_never_reported_is_none_and_a_healthy_one_has_no_trouble(agent):
    assert detail.build_agent_health(None, NOW) is None

    health = detail.build_agent_health(healthy(agent), NOW)

    assert (health.level, health.troubles) == ("ok", ())
    assert line(health, "clock").value == "right"
    assert line(health, "spool").value == "12 events, 1 samples wait"


@pytest.mark.parametrize(
    ("skew_ms", "level", "value"),
    [
        (None, "none", "–"),  # noqa: RUF001
        (1_999.0, "ok", "right"),
        (-30_000.0, "warning", "30 s behind the server's"),
        (400_000.0, "critical", "6 min ahead of the server's"),
    ],
)
def test_a_clock_is_judged_by_how_far_it_is_off(agent, skew_ms, level, value):
    clock = line(detail.build_agent_health(agent(clock_skew_ms=skew_ms), NOW), "clock")

    assert (clock.level, clock.value) == (level, value)


def test_every_deliberate_loss_is_a_number_and_a_trouble(agent):
    health = detail.build_agent_health(agent(dropped_events_total=4_321), NOW)

    assert line(health, "events dropped").value == "4,321"
    assert line(health, "events dropped").level == "warning"
    assert "events dropped: 4,321" in health.troubles
    assert "events refused by the server: 1" in health.troubles
    assert line(health, "samples dropped").value == "0"


def test_a_failing_source_says_its_error_a_missing_program_is_no_failure(agent):
    source = {
        "name": "redis", "is_on": True, "interval_s": 15.0, "runs_total": 9, "failures_total": 9,
        "missed_total": 0, "last_ms": 1.0, "max_ms": 2.0, "last_error": "NOAUTH <b>x</b>",
        "succeeded_at": None,
    }  # fmt: skip
    health = detail.build_agent_health(
        healthy(agent) | {"sources": [source, source | {"is_on": False}]}, NOW
    )

    assert [(s.state, s.level) for s in health.sources] == [
        ("failing", "critical"),
        ("off: its program was not found", "none"),
    ]
    assert health.troubles == ("Redis: NOAUTH <b>x</b>",)


def test_a_source_that_has_not_succeeded_for_three_intervals_is_late(agent):
    source = {
        "name": "system", "is_on": True, "interval_s": 15.0, "last_error": None,
        "succeeded_at": (NOW - timedelta(seconds=46)).isoformat(),
    }  # fmt: skip
    (found,) = detail.build_agent_health(healthy(agent) | {"sources": [source]}, NOW).sources

    assert (found.state, found.level) == ("late", "warning")


def test_what_was_captured_is_compared_with_what_was_counted(agent):
    of = {
        "program": "zonemta", "from_at": "2026-11-21T09:00:00Z", "to_at": "2026-11-21T10:00:00Z",
        "outcome": "delivered", "counted": 1_200, "captured": 1_200,
    }  # fmt: skip
    health = detail.build_agent_health(
        healthy(agent) | {"reconciliation": [of, of | {"captured": 1_150}]}, NOW
    )

    assert [(c.level, c.value, c.note) for c in health.compared] == [
        ("ok", "1,200 of 1,200 captured", "all of them"),
        ("warning", "1,150 of 1,200 captured", "50 missing"),
    ]


@pytest.mark.parametrize(
    ("epochs", "level", "value"),
    [
        ([], "none", "no events numbered by this agent in this time"),
        ([epoch()], "ok", "complete"),
        ([epoch(dropped_count=7)], "warning", "complete; 7 dropped by the agent and reported"),
        ([epoch(), epoch(missing_count=1)], "critical", "1 event is missing without explanation"),
        ([epoch(missing_count=1_500)], "critical", "1,500 events are missing without explanation"),
        ([epoch(refused_count=2)], "warning", "2 events refused by this server and not stored"),
        (
            [epoch(missing_count=1, refused_count=2)],
            "critical",
            "1 event is missing without explanation; 2 refused by this server",
        ),
    ],
)
def test_completeness_is_one_sentence(epochs, level, value):
    verdict = detail.summarize_completeness(epochs)

    assert (verdict.level, verdict.value) == (level, value)


def test_while_batches_wait_completeness_is_not_known():
    waiting = Backlog(events=279)

    verdict = detail.summarize_completeness([epoch(missing_count=312)], waiting)
    line_of_epoch = detail.build_epoch(
        epoch(missing_count=312, missing_ranges=[[1, 312]]), is_known=False
    )

    assert (verdict.level, verdict.value) == ("none", "not known yet: 279 batches wait")
    assert (line_of_epoch.level, line_of_epoch.verdict) == ("none", "not known yet")
    assert line_of_epoch.missing == ()


def test_missing_ranges_are_named_and_the_rest_counted():
    ranges = [[i * 10, i * 10 + (i > 1)] for i in range(1, 9)]

    epoch_lines = detail.build_epoch(
        epoch(missing_count=15, missing_ranges=ranges, dropped_count=3, dropped_ranges=[[1, 3]])
    )

    assert epoch_lines.missing == ("10", "20–21", "30–31", "40–41", "50–51")  # noqa: RUF001
    assert epoch_lines.more_missing == 3
    assert epoch_lines.dropped == "3 (1–3)"  # noqa: RUF001
    assert epoch_lines.verdict == "15 events missing"


def test_a_spool_with_refused_events_is_not_complete():
    line = detail.build_epoch(epoch(refused_count=4, refused_ranges=[[7, 9]]))

    assert (line.level, line.verdict, line.refused) == ("warning", "4 events refused", "4 (7–9)")  # noqa: RUF001


def test_a_kind_is_stale_by_its_own_interval():
    old = (NOW - timedelta(minutes=10)).isoformat()
    newest = {"redis": [{"time": old}], "wildduck": [{"time": old}]}

    found = detail.find_newest(newest, now=NOW, stale_after_s=45)

    assert {kind: is_stale for kind, (_, is_stale) in found.items()} == {
        "redis": True,
        "wildduck": False,
    }
