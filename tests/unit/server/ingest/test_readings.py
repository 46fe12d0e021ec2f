"""A reading that cannot be read is unknown, and costs no other."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from server.events.mapping import Context
from server.ingest.parsing.batch import decode_sample, parse_sample_batch

NOW = datetime(2026, 11, 21, 10, 10, tzinfo=UTC)
CONTEXT = Context.at(NOW, node=None, retention=timedelta(days=30))


@pytest.fixture
def parse(golden):
    """Parse the golden sample of a kind after a change of it; return the stored sample, reasons."""

    def parse(kind, change):
        payload = golden(f"metrics_{kind}.json") | {"timestamp": NOW.isoformat()}
        change(payload)
        batch = parse_sample_batch(kind, json.dumps(payload).encode(), CONTEXT, max_samples=1)
        (line,) = batch.accepted
        return decode_sample(line), batch.unreadable

    return parse


TIMES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-14:00", "soon"]
NUMBERS = [-1, 2**53 + 1, 2**70, 1e300, "12", [], {}, True]


@pytest.mark.parametrize(
    ("place", "value"),
    [(("zonemta", "queue", "oldest_created_at", "active_count"), at) for at in TIMES]
    + [(("haraka", "haraka", "connections_total", "transactions_total"), n) for n in NUMBERS],
)
def test_a_time_or_number_that_cannot_be_is_unknown(parse, golden, place, value):
    kind, part, name, other = place
    before = golden(f"metrics_{kind}.json")[part]

    sample, reasons = parse(kind, lambda p: p[part].update({name: value}))

    readings = getattr(sample, part)
    assert getattr(readings, name) is None
    assert getattr(readings, other) == before[other]
    assert len(reasons) == 1
    assert name in reasons[0]


def test_a_member_of_a_list_goes_alone(parse, golden):
    before = golden("metrics_zonemta.json")["queue"]["reasons"]
    assert before

    sample, reasons = parse(
        "zonemta",
        lambda p: p["queue"]["reasons"].extend([5, {"response": None, "count": 1}, 6]),
    )

    assert len(sample.queue.reasons) == len(before)
    assert len(reasons) == 3


def test_a_member_of_a_table_goes_alone(parse, golden):
    before = golden("metrics_system.json")["processes"]

    sample, _ = parse(
        "system",
        lambda p: p["processes"].update(
            {
                "haraka": {"status": "dancing"},
                "rspamd": {"status": "running", "started_at": "9999-01-01T00:00:00Z"},
            }
        ),
    )

    assert sample.processes.keys() == before.keys() - {"haraka", "rspamd"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpu_percent", 101),
        ("cpu_cores", "4"),
        ("ram_total_bytes", -1),
        ("disk_used_percent", None),
        ("net_rx_errors", 2**70),
        ("load_avg", [1, 2]),
        ("tcp_established", 2**31),
        ("uptime_seconds", "long"),
    ],
)
def test_a_reading_of_the_system_that_cannot_be_read_costs_no_other(parse, golden, name, value):
    before = golden("metrics_system.json")

    sample, _ = parse("system", lambda p: p["system"].update({name: value}))

    assert getattr(sample.system, name) is None
    assert sample.system.disk_free_bytes == before["system"]["disk_free_bytes"]
    assert sample.processes.keys() == before["processes"].keys()


def test_a_sample_without_a_node_or_a_time_is_refused_with_the_reason(golden):
    payload = golden("metrics_system.json") | {"timestamp": "soon"}

    batch = parse_sample_batch("system", json.dumps(payload).encode(), CONTEXT, max_samples=1)

    assert not batch.accepted
    assert "$.timestamp" in batch.rejected[0]["error"]


def test_too_many_unreadable_readings_refuse_their_sample(golden):
    payload = golden("metrics_zonemta.json") | {"timestamp": NOW.isoformat()}
    payload["queue"]["reasons"] = list(range(40))

    batch = parse_sample_batch("zonemta", json.dumps(payload).encode(), CONTEXT, max_samples=1)

    assert len(batch.rejected) == 1


def test_a_sample_that_would_slow_every_page_is_refused(golden):
    payload = golden("metrics_zonemta.json") | {"timestamp": NOW.isoformat()}
    reasons = [{"response": "x" * 4_000, "count": 1} for _ in range(300)]
    payload["queue"] = payload["queue"] | {"reasons": reasons}

    batch = parse_sample_batch("zonemta", json.dumps(payload).encode(), CONTEXT, max_samples=1)

    assert "more than 1048576 bytes" in batch.rejected[0]["error"]
