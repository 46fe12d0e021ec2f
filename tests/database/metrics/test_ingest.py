"""Ingestion of each kind of sample: the golden payloads of the contract, stored once, unchanged."""

import json
from datetime import timedelta

import msgspec
import pytest
from django.db import connection
from django.utils import timezone

from server.ingest import writer
from server.ingest.inbox import SAMPLES
from server.metrics.wire import SAMPLES as KINDS
from server.nodes.models import ApiKey, Node

pytestmark = pytest.mark.usefixtures("committing_database")


@pytest.fixture
def sample(golden):
    """Make a sample of a kind, of this moment; keywords replace its readings."""

    def make(kind, at=None, **readings):
        made = golden(f"metrics_{kind}.json")
        made["timestamp"] = (at or timezone.now()).isoformat()
        made[kind] |= readings
        return made

    return make


def stored_rows(table, columns="*"):
    """Return the rows of a table, oldest sample first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT to_jsonb(t) FROM (SELECT {columns} FROM {table} ORDER BY time) AS t"
        )
        return [json.loads(row) for (row,) in cursor.fetchall()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_golden_sample_of_each_kind_is_stored_once(kind, sample, post):
    golden = sample(kind)
    assert post(f"metrics/{kind}", golden).json() == {"queued": 1, "rejected": []}
    assert post(f"metrics/{kind}", [golden, golden], pack=True).status_code == 202

    writer.drain_samples()

    (row,) = stored_rows(f"metrics_{kind}")
    readings = golden[kind]
    same = {name for name in row.keys() & readings.keys() if not isinstance(readings[name], list)}
    same -= {name for name in same if name.endswith("_at")}
    assert len(same) >= 5
    assert {name: row[name] for name in same} == {name: readings[name] for name in same}
    assert SAMPLES.length() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_golden_sample_is_unknown_to_the_endpoint(kind, golden):
    payload = golden(f"metrics_{kind}.json")

    read = msgspec.to_builtins(msgspec.convert(payload, KINDS[kind]))

    assert list(lacking(payload, read)) == []


def lacking(wanted, read, path=""):
    """Yield where `read` has not the keys of `wanted`."""
    for key, value in wanted.items() if isinstance(wanted, dict) else enumerate(wanted):
        if isinstance(wanted, dict) and key not in read:
            yield f"{path}.{key}"
        elif isinstance(value, dict | list):
            yield from lacking(value, read[key], f"{path}.{key}")


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"system"}))
def test_everything_in_the_golden_sample_has_a_column_and_readings_may_be_missing(
    kind, sample, post
):
    golden = sample(kind)
    bare = {**sample(kind, timezone.now() - timedelta(minutes=1)), kind: {}}
    answer = post(f"metrics/{kind}", [golden, bare])
    assert answer.json() == {"queued": 2, "rejected": []}

    writer.drain_samples()

    rows = stored_rows(f"metrics_{kind}")
    assert len(rows) == 2
    assert golden[kind].keys() <= rows[1].keys()


def test_processes_and_ports_of_a_system_sample_have_their_own_rows(sample, post):
    post("metrics/system", sample("system"))

    writer.drain_samples()

    processes = {row["process"]: row for row in stored_rows("metrics_process")}
    assert processes["zonemta"]["pid"] == 28355
    assert processes["redis"]["cpu_percent"] is None
    assert processes["wildduck"]["status"] == "not_found"
    assert {row["service"]: row["is_open"] for row in stored_rows("metrics_service")} == {
        "port_587": True,
        "port_12080": True,
        "port_11334": False,
    }


def test_the_queue_of_a_zonemta_sample_is_a_snapshot_and_either_half_may_be_missing(sample, post):
    now = timezone.now()
    whole = sample("zonemta", now)
    post("metrics/zonemta", whole)
    post("metrics/zonemta", whole | {"zonemta": None, "timestamp": later(now, 1)})
    post("metrics/zonemta", whole | {"queue": None, "timestamp": later(now, 2)})
    api = {"source": "api", "zones": [], "active_count": 1, "deferred_count": 2}
    post("metrics/zonemta", whole | {"queue": api, "timestamp": later(now, 3)})

    writer.drain_samples()

    assert len(stored_rows("metrics_zonemta")) == 3
    first, _, from_api = stored_rows("mail_queue_snapshots")
    assert {name: first[name] for name in whole["queue"] if name != "oldest_created_at"} == {
        name: value for name, value in whole["queue"].items() if name != "oldest_created_at"
    }
    assert (from_api["database"], from_api["ages"]) == ("", None)


def later(now, seconds):
    return (now + timedelta(seconds=seconds)).isoformat()


def test_counters_of_zones_and_actions_are_columns_too(sample, post):
    post("metrics/zonemta", sample("zonemta"))
    post("metrics/rspamd", sample("rspamd", actions=[{"action": "soft reject", "count": 4}]))
    post("metrics/wildduck", sample("wildduck"))

    writer.drain_samples()

    columns = "delivered_total, rejected_total, deferred_total, unknown_total"
    assert stored_rows("metrics_zonemta", columns) == [
        {"delivered_total": 10, "rejected_total": 6, "deferred_total": 7, "unknown_total": 1}
    ]
    columns = "action_soft_reject_total, action_greylist_total"
    assert stored_rows("metrics_rspamd", columns) == [
        {"action_soft_reject_total": 4, "action_greylist_total": None}
    ]
    columns = "connections_count, services_down_count"
    assert stored_rows("metrics_wildduck", columns) == [
        {"connections_count": 12, "services_down_count": 0}
    ]


def test_each_bad_sample_is_refused_alone_with_its_reason(sample, post):
    now = timezone.now()
    good = sample("redis")
    bad = [
        sample("redis") | {"redis": None},
        sample("redis", now - timedelta(days=91)),
        sample("redis", now + timedelta(minutes=11)),
        sample("redis") | {"timestamp": "2026-11-21T10:00:00"},
        ["no sample"],
    ]

    answer = post("metrics/redis", [*bad, good]).json()

    assert answer["queued"] == 1
    assert [refused["index"] for refused in answer["rejected"]] == list(range(len(bad)))
    reasons = [refused["error"] for refused in answer["rejected"]]
    for word, reason in zip(
        ["redis", "timestamp", "timestamp", "timestamp", "object"],
        reasons,
        strict=True,
    ):
        assert word in reason


def test_a_reading_that_cannot_be_read_is_unknown(sample, post):
    answer = post("metrics/redis", sample("redis", keys_count=-1)).json()
    writer.drain_samples()

    assert answer == {"queued": 1, "rejected": []}
    assert stored_rows("metrics_redis", "keys_count") == [{"keys_count": None}]


def test_no_text_refuses_a_sample(sample, post):
    hostile = json.dumps(sample("redis", version="X")).replace(
        '"X"', r'"a\u0000b\u001b\ud800c\u202ed\\u0000"'
    )

    assert post("metrics/redis", hostile.encode()).json() == {"queued": 1, "rejected": []}

    writer.drain_samples()
    (row,) = stored_rows("metrics_redis", "version")
    assert row == {"version": "a\ufffdb\ufffd\ufffdcd\\u0000"}


def test_a_backslash_before_a_u_is_no_nul(sample, post):
    post("metrics/redis", sample("redis", version="\\u0000"))

    writer.drain_samples()

    assert stored_rows("metrics_redis", "version") == [{"version": "\\u0000"}]


def test_unknown_keys_are_ignored(sample, post):
    newer = sample("haraka", tomorrows_total=1) | {"tomorrow": {}}

    assert post("metrics/haraka", newer).status_code == 202


def test_a_key_of_no_node_may_send_samples_of_many_and_each_is_seen(sample, post):
    key = ApiKey.issue(name="collector", scope=ApiKey.Scope.AGENT)[1]
    samples = [sample("system") | {"node_id": name} for name in ("mta-01", "mta-02")]
    assert post("metrics/system", samples, key=key).json()["queued"] == 2

    writer.drain_samples()

    assert set(Node.objects.exclude(last_seen_at=None).values_list("name", flat=True)) == {
        "mta-01",
        "mta-02",
    }


def test_only_system_samples_say_that_a_node_is_there(sample, post):
    post("metrics/redis", sample("redis"))

    writer.drain_samples()

    assert Node.objects.get(name="mta-01").last_seen_at is None


def test_a_batch_that_waited_since_the_version_before_is_stored(sample, post):
    from server.ingest.inbox import Entry

    line = json.dumps(sample("system")).encode()
    SAMPLES.append(
        Entry(node="mta-01", received_at=timezone.now().timestamp(), count=1, payload=line)
    )

    writer.drain_samples()

    assert len(stored_rows("metrics_system")) == 1
