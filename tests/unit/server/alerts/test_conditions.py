"""Conditions on snapshots: each fires on what it is for, and on nothing that is not known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.alerts.blocks.models import Block
from server.alerts.conditions.catalogue import DEFAULT_RULES
from server.alerts.conditions.databases import find_replica_sets
from server.alerts.evaluator.evaluation import evaluate
from server.alerts.snapshot import (
    AccountActivity,
    Blocked,
    LoginFailures,
    MailMinute,
    Resources,
    Sample,
    Snapshot,
    WatchedNode,
)
from server.alerts.states import Holds
from server.mailqueues.accounting import Reading as QueueReading
from server.mailqueues.accounting import count_once
from server.metrics.mail_queue import (
    MailQueue,
    OtherDestinations,
    QueueDestination,
    QueueShare,
    ZoneQueue,
)
from server.metrics.newest import NodeState
from server.observability.backlog import Backlog
from server.rollups.mail.failing_destinations import Destination

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NODE = WatchedNode("mta-01", "zonemta", NOW)
STATE = NodeState("mta-01", "zonemta", None, None, [], {}, [])
BEHIND = Backlog(events=5, oldest_at=NOW - timedelta(seconds=70), worker_at=NOW)


def snapshot(**values):
    defaults = {
        "nodes": {"mta-01": NODE},
        "states": [STATE],
        "resources": {"mta-01": Resources(5.0, 10.0, 20.0)},
    }
    return Snapshot(NOW, **defaults | values)


def judge(name, **values):
    """Return subject → whether the rule holds, and the sentences of what does."""
    rule, seen = DEFAULT_RULES[name], snapshot(**values)
    readings = list(rule.condition.read(seen, rule.values))
    holds = {reading.subject.name: rule.judge(reading) for reading in readings}
    texts = [r.text for r in readings if rule.judge(r) is Holds.YES]
    return holds, texts


def fires(name, **values):
    return [subject for subject, holds in judge(name, **values)[0].items() if holds is Holds.YES]


def of_agent(**values):
    return {"samples": {"agent": {"mta-01": Sample(NOW, values)}}}


def of_mongodb(*members, at=NOW, **values):
    values = {"replica_set": "rs0", "members": list(members)} | values
    return Sample(at, values)


def member(name, state="SECONDARY", **values):
    return {"name": name, "state": state, "is_healthy": True} | values


def minutes(delivered=0, bounced=0, deferred=0, **values):
    return [MailMinute(NOW - timedelta(minutes=1), delivered, bounced, deferred, **values)]


def queue(*, at=NOW, zones=(), oldest_at=None, destinations=None, others=None, **shares):
    reading = MailQueue(
        source="mongodb", zones=list(zones), active_count=sum(shares.values()), deferred_count=0,
        database="rs0/zone-mta@10.0.0.1:27017", instance="mta_01", oldest_created_at=oldest_at,
        shares=[QueueShare(name, count) for name, count in shares.items()],
        destinations=destinations, other_destinations=others,
    )  # fmt: skip
    stale_after = timedelta(seconds=90)
    return {"queues": count_once([QueueReading("mta-01", at, reading, stale_after, (at, reading))],
                                 NOW)}  # fmt: skip


def block(kind, subject=""):
    return Block(
        kind=kind, provider="google", subject=subject, started_at=NOW, refused_count=12,
        taken_count=0, reply="550 5.7.1 unsolicited mail",
    )  # fmt: skip


SOURCE = {"name": "redis", "is_on": True, "interval_s": 30}
LATE = (NOW - timedelta(minutes=10)).isoformat()
FIRING = [
    ("node_silent", {"nodes": {"x": WatchedNode("x", contact_at=NOW - timedelta(seconds=46))}}),
    ("clock_off", of_agent(clock_skew_ms=-2_500)),
    ("clock_wrong", {"nodes": {"x": WatchedNode("x", contact_at=NOW, clock_ahead_ms=301_000)}}),
    ("source_failing", of_agent(sources=[SOURCE | {"last_error": "refused"}])),
    ("source_failing", of_agent(sources=[SOURCE | {"succeeded_at": LATE}])),
    ("spool_filling", of_agent(spool_bytes=51, spool_limit_bytes=100)),
    ("program_stopped", {"states": [STATE.__class__("mta-01", "zonemta", None, None, [],
                                                    {"zonemta": "stopped"}, [])]}),
    ("port_closed", {"states": [STATE.__class__("mta-01", "zonemta", None, None, [], {},
                                                ["port_587"])]}),
    ("cpu_high", {"resources": {"mta-01": Resources(86.0)}}),
    ("memory_high", {"resources": {"mta-01": Resources(0.0, 91.0)}}),
    ("disk_low", {"resources": {"mta-01": Resources(disk_percent=86.0)}}),
    ("disk_almost_full", {"resources": {"mta-01": Resources(file_systems=[
        {"mount_point": "/var", "used_percent": 10.0, "inodes_used_percent": 96.0}])}}),
    ("disk_full_in_days", {"full_in": {"mta-01": timedelta(days=6)}}),
    ("disk_full_in_a_day", {"full_in": {"mta-01": timedelta(hours=23)}}),
    ("nothing_delivered", {"minutes": minutes(bounced=4, deferred=6)}),
    ("bounce_share", {"minutes": minutes(delivered=94, bounced=6)}),
    ("bounce_share_very_high", {"minutes": minutes(delivered=70, bounced=30)}),
    ("delivery_slow", {"minutes": minutes(10, delivery_ms_sum=310_000, delivery_count=10)}),
    ("oldest_waiting", queue(oldest_at=NOW - timedelta(minutes=61), mta_01=1)),
    ("oldest_waiting_day", queue(oldest_at=NOW - timedelta(hours=25), mta_01=1)),
    ("queue_long", queue(mta_01=10_001)),
    ("queue_very_long", queue(mta_01=20_001)),
    ("mail_stranded", queue(mta_01=1, mta_99=5)),
    ("zone_silent", queue(mta_01=3, zones=[ZoneQueue("bulk", 3, 0)])
     | {"zones": {"bulk": NOW - timedelta(minutes=16)}}),
    ("destination_failing", {"destinations": [
        Destination("full.example", 0, 12, 0, NOW - timedelta(minutes=9), "452 full")]}),
    ("provider_blocking", {"blocks": [block("ip", "10.0.0.1")]}),
    ("provider_blocking", {"blocks": [block("provider")]}),
    ("sender_refused", {"blocks": [block("sender", "anna")]}),
    ("mongodb_no_primary", {"samples": {"mongodb": {"mta-01": of_mongodb(member("a:1"))}}}),
    ("mongodb_member_down", {"samples": {"mongodb": {"mta-01": of_mongodb(
        member("a:1", "PRIMARY"), member("b:1", "(not reachable/healthy)", is_healthy=False))}}}),
    ("mongodb_lag", {"samples": {"mongodb": {"mta-01": of_mongodb(
        member("a:1", "PRIMARY"), member("b:1", lag_s=11.0))}}}),
    ("mongodb_oplog_very_short", {"samples": {"mongodb": {"mta-01": of_mongodb(
        oplog_window_s=40_000, oplog_before=[10_000, 39_000])}}}),
    ("redis_memory", {"samples": {"redis": {"mta-01": Sample(
        NOW, {"used_memory_bytes": 81, "maxmemory_bytes": 100})}}}),
    ("inbox_waits", {"backlog": BEHIND}),
    ("worker_silent", {"backlog": Backlog(worker_at=NOW - timedelta(seconds=31))}),
    ("redis_silent", {"backlog": Backlog(is_known=False)}),
    ("dead_letters", {"dead_letters": 1}),
    ("account_compromised", {"accounts": [
        AccountActivity("anna", sent=1_200, usual=12, bounced=30, outcomes=100)]}),
    ("account_compromised", {"accounts": [AccountActivity("anna", clients=6, failures=10)]}),
    ("logins_failing", {"login_failures": [LoginFailures("192.0.2.1", 11, 1)]}),
    ("logins_sprayed", {"login_failures": [LoginFailures("192.0.2.1", 3, 11)]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values"), FIRING)
def test_the_rule_fires_and_says_so_in_a_sentence(name, values):
    holds, texts = judge(name, **values)

    assert list(holds.values()).count(Holds.YES) == 1, holds
    assert texts[0]
    assert "None" not in texts[0]


def test_where_all_is_well_no_rule_holds():
    fine = (
        queue(mta_01=5, oldest_at=NOW - timedelta(minutes=3))
        | of_agent(clock_skew_ms=20, spool_bytes=1, spool_limit_bytes=100, sources=[SOURCE])
        | {"minutes": minutes(99, 1, 5, delivery_ms_sum=99, delivery_count=99)}
    )

    assert evaluate(DEFAULT_RULES.values(), snapshot(**fine), []).outcomes == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("node_silent", {"backlog": Backlog(is_known=False)}),
        ("bounce_share", {"minutes": minutes(70, 30), "backlog": BEHIND}),
        ("nothing_delivered", {"minutes": minutes(0, 30), "backlog": Backlog(is_known=False)}),
        ("oldest_waiting", queue(at=NOW - timedelta(minutes=2), mta_01=1)),
        ("cpu_high", {"states": []}),
        ("provider_blocking", {"blocks": [block("provider")], "backlog": BEHIND}),
        ("mail_stranded", queue(at=NOW - timedelta(minutes=2), mta_01=1)),
        ("inbox_waits", {"backlog": Backlog(is_known=False)}),
        ("spool_filling", of_agent(spool_bytes=None)),
    ],
)
def test_what_is_not_known_neither_holds_nor_is_fine(name, values):
    assert set(judge(name, **values)[0].values()) == {Holds.UNKNOWN}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bounce_share_very_high", {"minutes": minutes(delivered=10, bounced=39)}),  # too few
        ("nothing_delivered", {"minutes": minutes(deferred=9)}),  # too few
        ("nothing_delivered", {"minutes": []}),
        ("account_compromised", {"accounts": [AccountActivity("a", sent=1_000, usual=120)]}),
        ("account_compromised", {"accounts": [AccountActivity("a", 99, outcomes=9, bounced=9)]}),
        ("account_compromised", {"accounts": [AccountActivity("a", sent=500)]}),  # one sign
        ("logins_failing", {"login_failures": [LoginFailures("192.0.2.1", 10, 1)]}),
        ("destination_failing", {"destinations": [Destination("a.example", 0, 12, 0, None, "")]}),
        ("zone_silent", {"zones": {"bulk": NOW - timedelta(hours=2)}}),  # nothing is due
        ("redis_memory", {"samples": {"redis": {"mta-01": Sample(
            NOW, {"used_memory_bytes": 81, "maxmemory_bytes": 0})}}}),  # no bound
        ("source_failing", of_agent(sources=[SOURCE | {"is_on": False, "last_error": "x"}])),
        ("spool_filling", {"samples": {"agent": {"mta-01": Sample(
            NOW, {"spool_bytes": 90, "spool_limit_bytes": 100}, is_fresh=False)}}}),
        ("cpu_high", {"nodes": {"mta-01": WatchedNode("mta-01", in_maintenance=True)},
                      "resources": {"mta-01": Resources(99.0)}}),
    ],
)  # fmt: skip
def test_it_does_not_fire(name, values):
    assert fires(name, **values) == []


def test_a_replica_set_has_a_primary_if_any_member_sees_one():
    cut_off = of_mongodb(member("a:1"), member("b:1"), at=NOW)
    sees = of_mongodb(member("a:1", "PRIMARY"), member("b:1"), at=NOW - timedelta(seconds=20))
    nodes = {name: WatchedNode(name) for name in ("db-1", "db-2")}
    samples = {"mongodb": {"db-1": cut_off, "db-2": sees}}

    (only,) = find_replica_sets(snapshot(nodes=nodes, samples=samples))

    assert (only.name, only.has_primary, only.nodes) == ("rs0", True, ("db-1", "db-2"))


def test_two_sets_of_one_name_are_two():
    nodes = {name: WatchedNode(name) for name in ("db-1", "db-2")}
    samples = {"mongodb": {"db-1": of_mongodb(member("a:1")), "db-2": of_mongodb(member("b:1"))}}

    sets = find_replica_sets(snapshot(nodes=nodes, samples=samples))

    assert [each.name for each in sets] == ["rs0 of a:1", "rs0 of b:1"]


YAHOO = "Yahoo ip 192.0.2.7"


def of_block(*blocked, nodes=("mta-01",)):
    """Return the fields of a snapshot while a block is open, of which these minutes are."""
    return {
        "blocked": {YAHOO: Blocked("Yahoo", blocked, frozenset(nodes))},
        "details_until": NOW - timedelta(minutes=1),
        "providers": {"yahoo.example": "Yahoo", "aol.example": "Yahoo", "gmail.example": "Google"},
    }


def evidence_of(name, **values):
    rule = DEFAULT_RULES[name]
    (reading,) = rule.condition.read(snapshot(**values), rule.values)
    own = ("block", "without_block", "without_block_of")
    return tuple(reading.evidence[key] for key in own if key in reading.evidence)


@pytest.mark.parametrize(
    ("name", "blocked", "evidence"),
    [
        ("bounce_share", {"bounced": 30}, (YAHOO, 100 * 10 / 80, 80)),
        ("bounce_share", {"bounced": 5}, (YAHOO, 100 * 60 / 130, 130)),
        ("bounce_share", {"delivered": 30}, ()),
        ("nothing_delivered", {"bounced": 30, "deferred": 10, "delivered": 70}, (YAHOO, 1.0, 20)),
    ],
)
def test_the_share_without_an_open_block_is_evidence(name, blocked, evidence):
    of_minute = MailMinute(NOW - timedelta(minutes=1), **blocked)
    later = [MailMinute(NOW - timedelta(seconds=30), bounced=35)]  # not counted yet

    values = of_block(of_minute) | {"minutes": minutes(70, 35, 20) + later}

    assert evidence_of(name, **values) == pytest.approx(evidence)


def test_what_waits_without_an_open_block_is_evidence():
    oldest_at = NOW - timedelta(hours=3)
    waiting = [
        QueueDestination("yahoo.example", [0, 0, 0, 0, 60, 0, 0]),
        QueueDestination("aol.example", [0, 0, 0, 10, 0, 0, 0]),
        QueueDestination("gmail.example", [0, 0, 20, 0, 0, 0, 0]),
    ]
    queued = queue(
        mta_01=12_000, oldest_at=oldest_at, destinations=waiting,
        others=OtherDestinations(2, [5, 5, 0, 0, 0, 0, 0]),
    )  # fmt: skip

    assert evidence_of("queue_long", **queued, **of_block()) == (YAHOO, 3_600)
    assert evidence_of("queue_long", **queued, **of_block(nodes=["mta-02"])) == ()
    assert evidence_of("oldest_waiting", **queued, **of_block()) == (YAHOO, 1_800.0)
    assert evidence_of("oldest_waiting", **queued) == ()


def test_the_oldest_mail_of_somebody_else_is_not_the_blocks():
    waiting = [
        QueueDestination("yahoo.example", [0, 0, 0, 0, 60, 0, 0]),
        QueueDestination("gmail.example", [0, 0, 0, 0, 1, 0, 0]),
    ]
    queued = queue(mta_01=61, oldest_at=NOW - timedelta(hours=3), destinations=waiting)

    assert evidence_of("oldest_waiting", **queued, **of_block()) == (YAHOO, 3 * 3_600.0)


@pytest.mark.parametrize(
    ("provider", "sending_ip", "evidence"),
    [
        ("Yahoo", "192.0.2.7", (YAHOO,)),
        ("Yahoo", "192.0.2.8", ()),
        ("Google", "192.0.2.7", ()),
        ("", "", ()),
    ],
)
def test_a_failing_destination_carries_the_block_of_its_provider_and_ip(
    provider, sending_ip, evidence
):
    failing = Destination("yahoo.example", 0, 12, 0, NOW, "421 no", provider, sending_ip)

    assert evidence_of("destination_failing", destinations=[failing], **of_block()) == evidence


def test_what_holds_without_the_block_too_fires_on_its_own_after_its_time():
    rule, seen = DEFAULT_RULES["queue_long"], []
    alerts = []
    for minute, blocked in enumerate((9_000, 1_000, 1_000, 1_000)):
        others = OtherDestinations(1, [0, 0, 0, 12_000 - blocked, 0, 0, 0])
        waiting = [QueueDestination("yahoo.example", [0, 0, 0, blocked, 0, 0, 0])]
        queued = queue(mta_01=12_000, destinations=waiting, others=others)
        now = NOW + timedelta(minutes=minute)
        outcomes = evaluate([rule], replace(snapshot(**queued, **of_block()), now=now), alerts)
        alerts = [outcome.alert for outcome in outcomes.outcomes]
        seen.append(alerts[0].evidence.get("fires_without_block"))

    assert seen == [None, False, False, True]


@pytest.mark.parametrize("before", [None, [75, 226]])
def test_an_oplog_that_has_dropped_nothing_is_not_short(before):
    young = of_mongodb(oplog_window_s=301, oplog_before=before)

    assert judge("mongodb_oplog_very_short", samples={"mongodb": {"mta-01": young}}) == ({}, [])
