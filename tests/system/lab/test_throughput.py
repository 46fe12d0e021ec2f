"""The throughput scenario in short: every batch size is loaded, nothing is lost or doubled."""

import json

import pytest

from build.lab import oracle
from build.lab.installation import run_installation
from build.lab.plain_copy import COPY_NODE
from build.lab.scenarios.throughput import Bench, format_json

KEYS = [
    "batch",
    "accepted_per_s",
    "stored_per_s",
    "copy_per_s",
    "copy_ratio",
    "ack_p50_ms",
    "ack_p99_ms",
    "live_p50_ms",
    "live_p95_ms",
    "live_p99_ms",
    "cpu_us_per_event",
    "bytes_per_event",
    "missing",
    "twice",
]


@pytest.mark.stack
def test_under_load_nothing_acknowledged_is_missing_or_stored_twice_at_any_batch_size():
    nodes = ["bench-mta-01", "bench-mta-02"]
    with run_installation("bench-test", nodes=nodes) as installation:
        bench = Bench(installation, seconds=2.0)
        for batch in (1, 10, 100, 500):
            result = bench.measure(batch, copy_rows=2_000)

            assert (result["missing"], result["twice"]) == (0, 0)
            assert result["full load"]["events"] >= batch
            assert result["steady load"]["answers"]
            assert result["steady load"]["probes"]
            assert list(json.loads(format_json([result]))[0]) == KEYS
            assert set(result["cpu_us_per_event"]) == {"web", "live", "worker", "redis", "postgres"}

        # Nor would the oracle overlook it.
        rows, events = oracle.count_stored(installation, but_not=COPY_NODE)
        installation.query(
            "DELETE FROM email_events WHERE event_id IN"
            " (SELECT event_id FROM email_events WHERE mta_node <> %s LIMIT 3)",
            COPY_NODE,
        )
        assert oracle.count_stored(installation, but_not=COPY_NODE) == (rows - 3, events - 3)
