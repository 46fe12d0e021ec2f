"""/email/queue: what waits now, counted once, with the age of what it was read from."""

import json
from datetime import timedelta

import msgspec
import pytest

from server.events.mapping import to_line
from server.metrics.wire import ZoneMtaSample
from server.nodes.models import Node
from server.storage.samples_writer import write_samples
from server.storage.transaction import write_events
from tests.factories import NOW, row

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


@pytest.fixture
def read(golden):
    """Store a reading of the mail queue by a node, as its agent would send it."""

    def store(node="mta-01", ago=timedelta(seconds=10), zonemta=None, **queue):
        sample = golden("metrics_zonemta.json")
        sample |= {"node_id": node, "timestamp": (NOW - ago).isoformat(), "zonemta": zonemta}
        sample["queue"] |= queue
        write_samples([msgspec.convert(sample, ZoneMtaSample)])

    return store


def api_reading(waiting):
    unknown = (
        "database instance locked_count oldest_created_at ages shares reasons reasons_of_count"
        " destinations other_destinations destinations_of_count"
    )
    zones = [{"zone": "default", "active_count": waiting, "deferred_count": 0}]
    totals = {"source": "api", "zones": zones, "active_count": waiting, "deferred_count": 0}
    return totals | dict.fromkeys(unknown.split())


def test_the_golden_reading_is_reported_completely(get_json, read):
    read()

    answer = get_json("email/queue")

    assert (answer["waiting_count"], answer["active_count"], answer["deferred_count"]) == (9, 2, 7)
    assert (answer["age_s"], answer["stale"], answer["stale_count"]) == (10.0, False, 0)
    assert (answer["locked_count"], answer["unassigned_count"]) == (1, 3)
    assert (answer["stranded_count"], answer["stranded"][0]["instance"]) == (1, "mta-02")
    (node,) = answer["nodes"]
    assert (node["node"], node["waiting_count"], node["age_s"]) == ("mta-01", 5, 10.0)
    assert [(zone["zone"], zone["waiting_count"]) for zone in answer["zones"]] == [
        ("default", 9),
        ("bounces", 0),
    ]
    assert answer["oldest"]["created_at"] == "2026-11-21T08:00:00Z"
    assert answer["oldest"]["waited_s"] == 7630.0
    assert [bracket["count"] for bracket in answer["ages"]["brackets"]] == [1, 2, 2, 1, 3, 0, 0]
    assert [bracket["up_to_s"] for bracket in answer["ages"]["brackets"]] == [
        60, 300, 1800, 3600, 14_400, 86_400, None,
    ]  # fmt: skip
    classes = {each["reason_class"]: each["count"] for each in answer["reasons"]["classes"]}
    assert {name: count for name, count in classes.items() if count} == {"network": 1, "other": 6}
    assert len(classes) == 13
    assert answer["reasons"]["replies"][0]["count"] == 6
    assert (answer["reasons"]["of_count"], answer["reasons"]["rest_count"]) == (7, 0)
    assert answer["destinations"]["domains"][0] == {
        "domain": "slow.example",
        "count": 6,
        "counts": [0, 1, 1, 1, 3, 0, 0],
        "replies": ["451 4.3.0 Temporary system problem, try again later"],
    }
    assert answer["destinations"]["rest"] == {
        "domains_count": 1,
        "count": 1,
        "counts": [0, 1, 0, 0, 0, 0, 0],
    }
    assert answer["databases"][0]["nodes"] == ["mta-01"]


def test_before_any_reading_nothing_is_known_and_nothing_is_zero(get_json):
    answer = get_json("email/queue")

    counts = {name: value for name, value in answer.items() if name.endswith("_count")}
    assert set(counts.values()) == {None}
    assert (answer["read_at"], answer["age_s"], answer["stale"]) == (None, None, None)
    assert answer["oldest"]["created_at"] is None
    assert all(bucket["waiting_count"] is None for bucket in answer["history"]["buckets"])


def test_an_empty_queue_is_zero_and_has_no_oldest_message(get_json, read):
    empty = [{"up_to_s": each, "count": 0} for each in (60, 300, 1800, 3600, 14_400, 86_400, None)]
    read(
        zones=[], active_count=0, deferred_count=0, shares=[], ages=empty, oldest_created_at=None,
        reasons=[], reasons_of_count=0, destinations=[], destinations_of_count=0,
    )  # fmt: skip

    answer = get_json("email/queue")

    assert (answer["waiting_count"], answer["stranded_count"], answer["unassigned_count"]) == (
        0,
    ) * 3
    assert (answer["oldest"]["created_at"], answer["oldest"]["age_s"]) == (None, 10.0)
    assert answer["ages"]["of_count"] == 0


def test_a_queue_that_two_agents_read_is_counted_once(get_json, read):
    shares = [("mta-01", 4), ("mta-02", 2), ("no", 3)]
    held = [{"instance": name, "count": count} for name, count in shares]
    read("mta-01", shares=held)
    read("mta-02", shares=held, instance="mta-02", ago=timedelta(seconds=3))

    answer = get_json("email/queue")

    assert (answer["waiting_count"], answer["stranded_count"]) == (9, 0)
    assert {one["node"]: one["waiting_count"] for one in answer["nodes"]} == {
        "mta-01": 4,
        "mta-02": 2,
    }
    assert answer["zones"][0]["waiting_count"] == 9
    assert answer["ages"]["of_count"] == 9
    assert len(answer["databases"]) == 1


@pytest.mark.parametrize("days_ago", [1, 3, 6])
@pytest.mark.parametrize("retired", [False, True])
def test_the_mail_of_a_node_that_is_gone_is_stranded_and_counted_once(
    get_json, read, days_ago, retired
):
    held = [{"instance": "mta-01", "count": 4}, {"instance": "mta-02", "count": 5}]
    read("mta-02", shares=held, instance="mta-02", ago=timedelta(days=days_ago))
    read("mta-01", shares=held)
    Node.objects.filter(name="mta-02").update(retired_at=NOW if retired else None)

    answer = get_json("email/queue")

    assert (answer["waiting_count"], answer["stranded_count"]) == (9, 5)
    (stranded,) = answer["stranded"]
    assert (stranded["instance"], stranded["node"]) == ("mta-02", "mta-02")
    assert [(each["node"], each["waiting_count"]) for each in answer["nodes"]] == [("mta-01", 4)]
    assert [each["nodes"] for each in answer["databases"]] == [
        ["mta-01"] if retired else ["mta-01", "mta-02"]
    ]


@pytest.mark.parametrize("name", ["alone/zone-mta@", "rs0/zone-mta@127.0.0.1:27017"])
def test_two_databases_of_one_name_on_two_nodes_add_up(get_json, read, name):
    for node, count in [("mta-01", 10), ("mta-02", 20)]:
        read(node, database=name, instance=None, shares=[{"instance": "default", "count": count}])

    answer = get_json("email/queue")

    assert (answer["waiting_count"], answer["stranded_count"]) == (30, 0)
    assert {each["node"]: each["waiting_count"] for each in answer["nodes"]} == {
        "mta-01": 10,
        "mta-02": 20,
    }
    of = name.partition("@")[0]
    assert [each["database"] for each in answer["databases"]] == [f"{of}@mta-01", f"{of}@mta-02"]
    assert answer["oldest"]["database"] == f"{of}@mta-01"
    assert answer["history"]["databases_count"] == 2


def test_queues_of_two_databases_add_up_in_every_part(get_json, read):
    read("mta-01")
    read("mta-02", database="rs1/zone-mta@h", instance="mta-02", ago=timedelta(seconds=40))

    answer = get_json("email/queue")

    assert answer["waiting_count"] == 18
    assert answer["age_s"] == 40.0  # of the older
    assert answer["reasons"]["replies"][0]["count"] == 12
    assert answer["destinations"]["domains"][0]["counts"] == [0, 2, 2, 2, 6, 0, 0]
    assert answer["destinations"]["rest"]["count"] == 2


def test_replies_that_two_queues_got_with_other_ids_are_one(get_json, read):
    for node, name in [("mta-01", "alice"), ("mta-02", "bob")]:
        reply = f"450 4.2.0 <{name}@good.example>: Recipient address rejected: Greylisted"
        reasons = [{"response": reply, "count": 3}]
        read(node, database=node, instance=node, reasons=reasons, reasons_of_count=4)

    reasons = get_json("email/queue")["reasons"]

    assert [(reply["count"], reply["reason_class"]) for reply in reasons["replies"]] == [
        (6, "greylisted")
    ]
    assert (reasons["of_count"], reasons["rest_count"]) == (8, 2)


def test_a_reading_older_than_three_of_its_intervals_is_stale(get_json, read):
    for seconds in (60, 90, 120):
        read("mta-01", ago=timedelta(seconds=seconds))
    assert get_json("email/queue")["stale"] is False
    for seconds in (91, 121, 151):
        read("mta-02", database="x", instance="mta-02", ago=timedelta(seconds=seconds))

    answer = get_json("email/queue")

    assert answer["stale"] is True
    assert (answer["waiting_count"], answer["stale_count"]) == (18, 9)
    assert {one["node"]: one["stale"] for one in answer["nodes"]} == {
        "mta-01": False,
        "mta-02": True,
    }


def test_an_agent_that_reads_once_in_five_minutes_is_not_stale_after_four(get_json, read):
    for minutes in (4, 9, 14):
        read(ago=timedelta(minutes=minutes))

    assert get_json("email/queue")["stale"] is False


def test_from_the_api_only_totals_and_zones_are_known(get_json, read):
    read(**api_reading(4))

    answer = get_json("email/queue")

    assert (answer["waiting_count"], answer["databases"][0]["read_from"]) == (4, "api")
    assert answer["zones"][0]["waiting_count"] == 4
    for name in ("locked_count", "unassigned_count", "stranded_count"):
        assert answer[name] is None
    for part in ("ages", "reasons", "destinations", "oldest"):
        assert answer[part]["read_at"] is None
    assert answer["destinations"]["rest"] is None
    assert {answer[part]["of_count"] for part in ("ages", "reasons", "destinations")} == {None}


def test_details_of_a_database_that_does_not_answer_any_more_grow_old_by_themselves(get_json, read):
    read(ago=timedelta(minutes=10))
    for seconds in (70, 40, 10):
        read(**api_reading(4), ago=timedelta(seconds=seconds))

    answer = get_json("email/queue")

    assert (answer["waiting_count"], answer["stale"]) == (4, False)
    assert (answer["ages"]["age_s"], answer["ages"]["stale"]) == (600.0, True)
    assert len(answer["databases"]) == 1


def test_readings_of_a_clock_that_is_ahead_and_of_last_month_are_not_the_newest(get_json, read):
    read(ago=timedelta(minutes=-5))
    assert get_json("email/queue")["waiting_count"] is None
    read("mta-02", ago=timedelta(days=8))
    assert get_json("email/queue")["waiting_count"] is None


def test_ages_of_other_brackets_are_not_mixed_in(get_json, read):
    read(ages=[{"up_to_s": 900, "count": 9}])

    ages = get_json("email/queue")["ages"]

    assert (ages["of_count"], ages["read_at"], ages["brackets"]) == (None, None, [])


def test_the_history_counts_each_database_once_in_every_bucket(get_json, read):
    read("mta-01", ago=timedelta(minutes=30))
    read("mta-02", ago=timedelta(minutes=30), active_count=4)  # the same database, 2 more
    read("mta-03", ago=timedelta(minutes=30), **api_reading(5))
    read("mta-01", ago=timedelta(minutes=20))
    read("mta-01", ago=timedelta(minutes=19), **api_reading(3))

    history = get_json("email/queue", range="1h")["history"]
    buckets = {bucket["start"][11:16]: bucket for bucket in history["buckets"]}

    assert (history["width_s"], history["level"]) == (60, "samples")
    assert history["databases_count"] == 2
    half = buckets["09:37"]
    assert (half["waiting_count"], half["databases_count"]) == ((9 + 11) / 2 + 5, 2)
    assert half["waiting_count_max"] == 11 + 5
    assert buckets["09:47"]["waiting_count"] == 9
    assert (buckets["09:48"]["waiting_count"], buckets["09:48"]["databases_count"]) == (3, 1)
    assert buckets["09:50"]["waiting_count"] is None
    assert buckets["09:47"]["oldest_age_s_max"] == 6430.0


@pytest.mark.parametrize(
    ("name", "level"), [("6h", "5m"), ("24h", "5m"), ("7d", "1h"), ("30d", "1h")]
)
def test_the_history_of_long_ranges_is_read_from_levels(get_json, read, name, level):
    read(ago=timedelta(hours=2))

    history = get_json("email/queue", range=name)["history"]

    assert history["level"] == level
    assert [b["waiting_count"] for b in history["buckets"] if b["databases_count"]] == [9.0]


def test_the_answer_is_json_of_numbers(get_json, read):
    read()

    assert "NaN" not in json.dumps(get_json("email/queue"))


def test_the_share_of_a_node_over_time_is_that_of_the_last_reading_in_each_bucket(get_json, read):
    read(ago=timedelta(minutes=31))
    shares = [{"instance": "mta-01", "count": 40}, {"instance": "no", "count": 2}]
    read(ago=timedelta(minutes=2), instance="mta-01", shares=shares)
    read(node="mta-02", ago=timedelta(minutes=2))

    answer = get_json("email/queue/share", node="mta-01", range="1h")

    assert (answer["width_s"], answer["cut"], len(answer["buckets"])) == (60, False, 61)
    first, last = (bucket for bucket in answer["buckets"] if bucket["read_at"])
    assert (first["own_count"], first["unassigned_count"], first["waiting_count"]) == (5, 3, 9)
    assert (last["start"], last["own_count"], last["unassigned_count"]) == (
        "2026-11-21T10:05:00Z", 40, 2,
    )  # fmt: skip


def test_a_share_without_an_instance_is_not_known_and_of_an_agent_alone_all_is_its_nodes(
    get_json, read
):
    def own(node):
        buckets = get_json("email/queue/share", node=node, range="1h")["buckets"]
        (bucket,) = [bucket for bucket in buckets if bucket["read_at"]]
        return bucket["own_count"], bucket["waiting_count"]

    read(instance=None)
    read(node="mta-09", **api_reading(7))
    assert own("mta-01") == (6, 9)
    assert own("mta-09") == (7, 7)

    read(node="mta-02", instance="mta-02")
    assert own("mta-01") == (None, 9)


def test_a_share_is_reported_as_far_back_as_readings_are_stored_of_nodes_that_exist(
    get_json, read, admin_client
):
    read()

    assert get_json("email/queue/share", node="mta-01", range="30d")["cut"] is True
    reply = admin_client.get("/api/v1/email/queue/share", {"node": "mta-77"})
    assert (reply.status_code, reply.json()) == (404, {"detail": "no node 'mta-77'"})


def destination(domain, *counts, expiries=(0, 0, 0, 0, 0, 0)):
    return {"domain": domain, "counts": list(counts), "replies": [], "expiries": list(expiries)}


def test_how_fast_mail_drains_is_reported_by_provider(get_json, read):
    write_events(
        [
            to_line(row(to_domain="slow.example", provider="google", occurred_at=NOW - HOUR)),
            to_line(row(to_domain="slow.example", provider="older", occurred_at=NOW - 2 * HOUR)),
        ]
    )
    none = {"domains_count": 0, "counts": [], "expiries": []}
    before = [destination("slow.example", 200), destination("other.example", 10)]
    read(
        ago=HOUR + timedelta(seconds=10), active_count=0, deferred_count=210,
        destinations_of_count=210, destinations=before, other_destinations=none,
    )  # fmt: skip
    newest = [
        destination("slow.example", 100, expiries=(40, 0, 0, 0, 0, 60)),
        destination("other.example", 12, expiries=(0, 0, 0, 12, 0, 0)),
    ]
    read(
        active_count=0, deferred_count=112, destinations_of_count=112, destinations=newest,
        other_destinations=none,
    )  # fmt: skip

    google, other = get_json("email/queue")["providers"]

    assert google == {
        "provider": "google",
        "waiting_count": 100,
        "drained_per_h": 100.0,
        "empty_at": (NOW + HOUR).isoformat().replace("+00:00", "Z"),
        "expiring_count": 40,
        "expiring_24h_count": 40,
    }
    assert (other["provider"], other["drained_per_h"], other["empty_at"]) == (
        "other.example", -2.0, None,
    )  # fmt: skip
    assert (other["expiring_count"], other["expiring_24h_count"]) == (None, 12)


def counters(count, *, started_at_s=5):
    deliveries = [{"zone": "default", "status": "deferred", "count": count}]
    return {"started_at_s": started_at_s, "deliveries": deliveries}


@pytest.mark.parametrize(
    ("counted", "events", "is_silent"),
    [
        pytest.param((counters(7), counters(7)), (), True, id="no counter moved"),
        pytest.param((counters(7), counters(8)), (), False, id="something was tried"),
        pytest.param(
            (counters(7), counters(2, started_at_s=9)), (), False, id="tried since it started anew"
        ),
        pytest.param((None, None), (), True, id="ZoneMTA does not answer, and no event came"),
        pytest.param((None, None), ("deferred",), False, id="events say that it was tried"),
        pytest.param((None, None), ("sent",), True, id="mail that comes is no attempt"),
    ],
)
def test_a_zone_with_mail_that_is_due_and_not_tried_is_silent(
    get_json, read, counted, events, is_silent
):
    before, now = counted
    read(ago=timedelta(minutes=11), zonemta=before)
    read(zonemta=now)
    for event_type in events:
        at = NOW - timedelta(minutes=3)
        write_events([to_line(row(event_type=event_type, zone="default", occurred_at=at))])

    silent = get_json("email/queue")["silent_zones"]

    assert [(each["zone"], each["due_count"], each["nodes"]) for each in silent] == (
        [("default", 2, ["mta-01"])] if is_silent else []
    )
