"""/metrics/{kind} and /nodes/{name}/metrics against straightforward SQL over the samples."""

from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from django.db import connection
from django.test import Client

from server.api.endpoints.metrics import KINDS
from server.metrics.wire import SAMPLES
from server.nodes.models import Node
from server.rollups.samples.levels import rate_name
from server.storage.samples_writer import write_samples
from tests import random_samples
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(at_now, golden):
    """Store a sample of a kind; keywords replace its readings."""

    def store(kind, ago, node="mta-01", **readings):
        sample = golden(f"metrics_{kind}.json") | {"node_id": node, "timestamp": NOW - ago}
        sample[kind] |= readings
        write_samples([msgspec.convert(sample, SAMPLES[kind])])

    return store


def seconds(count):
    return timedelta(seconds=count)


@pytest.fixture
def metrics(get_json):
    """Return a function that requests the readings of mta-01 of one kind."""

    def get(kind, **query):
        return get_json("nodes/mta-01/metrics", kind=kind, **query)

    return get


def plain(answer, kind, column, aggregate):
    """Aggregate a column over the samples of mta-01 in each bucket of an answer."""
    rows = []
    width = timedelta(seconds=answer["width_s"])
    with connection.cursor() as cursor:
        for bucket in answer["series"][0]["buckets"]:
            start = datetime.fromisoformat(bucket["start"])
            cursor.execute(
                f"SELECT {aggregate} FROM metrics_{kind} AS s JOIN nodes_node AS n"
                f" ON n.id = s.node_id WHERE n.name = 'mta-01' AND time >= %s AND time < %s"
                f" AND {column} IS NOT NULL",
                [start, start + width],
            )
            rows.append(cursor.fetchone()[0])
    return rows


@pytest.mark.parametrize(
    ("name", "level", "width_s"),
    [("1h", "samples", 60), ("6h", "5m", 300), ("24h", "5m", 900), ("7d", "1h", 3600)],
)
def test_means_and_highest_are_those_of_plain_sql(metrics, name, level, width_s):
    write_samples(
        random_samples.samples(NOW - timedelta(hours=27), NOW, every=timedelta(minutes=3))
    )
    for kind, column in [
        ("redis", "keys_count"),
        ("system", "cpu_percent"),
        ("agent", "send_p95_ms"),
    ]:
        answer = metrics(kind, range=name)

        assert (answer["level"], answer["width_s"]) == (level, width_s)
        buckets = answer["series"][0]["buckets"]
        assert [b["samples"] for b in buckets] == plain(answer, kind, "time", "count(*)")
        means = plain(answer, kind, column, f"avg({column})::float")
        assert [b[column] for b in buckets] == [
            None if mean is None else pytest.approx(mean) for mean in means
        ]
        highest = plain(answer, kind, column, f"max({column})")
        assert [b[f"{column}_max"] for b in buckets] == highest
        assert any(mean is not None for mean in means)


def test_what_a_counter_grew_by_is_reported_in_a_second_over_restarts(metrics, read):
    for ago, total in [(180, 1000), (120, 1600), (60, 40), (10, 90)]:
        read("redis", seconds(ago), commands_total=total)

    buckets = metrics("redis", range="1h")["series"][0]["buckets"]

    rates = [bucket["commands_per_s"] for bucket in buckets if bucket["samples"]]
    # Nothing is known before the second; the third began anew from 0.
    assert rates == [None, 600 / 60, 40 / 60, 50 / 50]


@pytest.mark.parametrize(("name", "step"), [("6h", seconds(100)), ("7d", timedelta(minutes=20))])
def test_the_growth_in_all_buckets_of_a_level_adds_up_to_that_of_the_counter(
    metrics, read, name, step
):
    for number in range(20):
        read("haraka", step * (19 - number) + seconds(10), transactions_total=7 * number**2)

    answer = metrics("haraka", range=name, fields="transactions_per_s")

    buckets = [b for b in answer["series"][0]["buckets"] if b["transactions_per_s"] is not None]
    lasts = plain(answer, "haraka", "time", "max(transactions_total)")
    known = [last for last in lasts if last is not None]
    times = [at for at in plain(answer, "haraka", "time", "max(time)") if at is not None]
    spans = [(b - a).total_seconds() for a, b in pairwise(times)]
    grown = sum(b["transactions_per_s"] * span for b, span in zip(buckets, spans, strict=True))
    assert grown == pytest.approx(known[-1] - known[0])
    assert answer["gauges"] == []


def test_a_counter_that_is_not_known_for_a_while_has_no_rate(metrics, read):
    for ago, total in [(180, 1000), (120, None), (60, 1240), (10, 1290)]:
        read("redis", seconds(ago), commands_total=total)

    buckets = metrics("redis", range="1h")["series"][0]["buckets"]

    assert [b["commands_per_s"] for b in buckets if b["samples"]] == [None, None, None, 1.0]


def test_the_rate_of_the_first_bucket_is_reported_from_the_sample_before_it(metrics, read):
    read("redis", timedelta(hours=1, minutes=2), commands_total=100)
    read("redis", timedelta(minutes=59), commands_total=280)

    buckets = metrics("redis", range="1h")["series"][0]["buckets"]

    assert [b["commands_per_s"] for b in buckets if b["samples"]] == [1.0]


def test_buckets_without_samples_are_unknown_not_zero(metrics, read):
    read("redis", seconds(10), keys_count=0)

    answer = metrics("redis", range="1h")

    buckets = answer["series"][0]["buckets"]
    assert [b["keys_count"] for b in buckets if b["samples"]] == [0]
    assert {b["keys_count"] for b in buckets if not b["samples"]} == {None}
    names = {*answer["gauges"], *(f"{name}_max" for name in answer["gauges"]), *answer["rates"]}
    assert all(bucket.keys() == names | {"start", "samples"} for bucket in buckets)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_answered_with_all_its_readings_and_its_newest_sample(get_json, kind, at_now):
    write_samples(
        random_samples.samples(NOW - timedelta(minutes=20), NOW, every=seconds(30), seed=3)
    )

    answer = get_json("nodes/mta-01/metrics", kind=kind, range="1h")

    declared = KINDS[kind]
    assert answer["gauges"] == [gauge.name for gauge in declared.gauges]
    assert answer["rates"] == [rate_name(name) for name in declared.counters]
    for series in answer["series"]:
        assert series["node"] == "mta-01"
        assert (series["part"] is not None) == bool(declared.dimensions)
        assert series["age_s"] <= 90
        assert series["stale"] is (series["age_s"] > 90)
        assert series["last_at"] > "2026-11-21T10:04"
        assert len(series["last"]) >= 2
    assert any(b["samples"] for b in answer["series"][0]["buckets"])


def test_programs_and_ports_are_series_of_their_own(metrics, read):
    read("system", seconds(10))

    processes = {series["part"]: series for series in metrics("process", range="1h")["series"]}
    ports = {series["part"]: series for series in metrics("service", range="1h")["series"]}

    assert processes.keys() == {"zonemta", "redis", "rspamd", "wildduck"}
    assert processes["zonemta"]["buckets"][-1]["is_running"] == 1
    assert processes["rspamd"]["last"]["status"] == "stopped"
    assert ports["port_11334"]["buckets"][-1]["is_open"] == 0


def test_the_newest_sample_of_a_source_that_fell_silent_is_stale(metrics, read):
    for ago in (400, 385, 370):
        read("redis", seconds(ago))
    for ago in (610, 310):
        read("wildduck", seconds(ago))

    assert metrics("redis")["series"][0]["stale"] is True
    assert metrics("wildduck")["series"][0]["stale"] is False  # it is read every five minutes
    assert metrics("redis")["series"][0]["age_s"] == 370.0


def test_lists_of_the_newest_sample_are_there_as_they_came(metrics, read, golden):
    read("mongodb", seconds(5))

    last = metrics("mongodb")["series"][0]["last"]

    assert last["members"] == golden("metrics_mongodb.json")["mongodb"]["members"]
    assert last["databases"][1]["name"] == "wildduck"


def test_only_the_requested_readings_are_answered(metrics, read):
    read("redis", seconds(5))

    answer = metrics("redis", fields="keys_count, commands_per_s")

    assert (answer["gauges"], answer["rates"]) == (["keys_count"], ["commands_per_s"])
    assert answer["series"][0]["buckets"][0].keys() == {
        "start", "samples", "keys_count", "keys_count_max", "commands_per_s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"fields": "keys_count,drop table"}, "fields"),
        ({"range": "2h"}, "range"),
        ({"range": "30d", "width": "1m"}, "range"),
        ({"width": "2m"}, "width"),
        ({"from": "2026-11-21T10:07:11Z"}, "range"),
        ({"from": "2026-11-21T09:00:00Z", "to": "2026-11-21T08:00:00Z"}, "range"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(expect_refusal, query, named):
    Node.objects.create(name="mta-01")

    assert named in expect_refusal("nodes/mta-01/metrics", kind="redis", **query)


def test_a_kind_or_node_that_is_none_is_not_found(admin_client: Client):
    Node.objects.create(name="mta-01")

    assert admin_client.get("/api/v1/metrics/nothing").status_code == 404
    assert admin_client.get("/api/v1/nodes/mta-01/metrics", {"kind": "x"}).status_code == 404
    assert admin_client.get("/api/v1/nodes/nobody/metrics").status_code == 404


def test_readings_of_every_node_are_read_from_where_samples_are_sent(admin_client: Client, read):
    read("redis", seconds(5))
    read("redis", seconds(5), node="mta-02")

    answer = admin_client.get("/api/v1/metrics/redis", {"fields": "keys_count"}).json()

    assert [series["node"] for series in answer["series"]] == ["mta-01", "mta-02"]


def test_too_many_numbers_are_refused_with_what_to_do(expect_refusal, read, monkeypatch):
    read("redis", seconds(5))
    monkeypatch.setattr("server.api.endpoints.metrics.MAX_NUMBERS", 100)

    assert "fields" in expect_refusal("nodes/mta-01/metrics", kind="redis")


def test_nobody_reads_without_a_login_or_a_key(client: Client):
    for path in ("email/queue", "metrics/process", "nodes/mta-01/metrics"):
        assert client.get(f"/api/v1/{path}").status_code == 401
