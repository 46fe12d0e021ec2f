"""The benchmark in short: every batch size is loaded, and nothing is lost or doubled."""

import json
import random
import uuid

import pytest

from build.bench import arrangement, oracle, report
from build.bench.events import Bodies, one_template
from build.bench.measure import COPY_NODE, Marks, Measured, events_of, measure

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
    "missing",
    "twice",
]


def test_a_body_is_json_whose_events_have_ids_and_numbers_of_their_own():
    bodies = Bodies(node="mta-01", epoch="one", size=10, mark=3)
    first, second = (json.loads(bodies.next()) for _ in range(2))

    assert (first["epoch"], first["first_seq"], second["first_seq"]) == ("one", 0, 10)
    ids = {uuid.UUID(event["event_id"]) for body in (first, second) for event in body["events"]}
    assert len(ids) == 20
    assert len({event["queue_id"] for event in first["events"]}) == 10
    assert {event["mta_node"] for event in first["events"]} == {"mta-01"}


def test_the_load_has_none_of_the_events_that_the_probe_posts():
    rng = random.Random(1)
    made = b"".join(one_template(rng, node="mta-01", mark=1) for _ in range(300))

    assert b"greylisted" not in made
    assert b"inbound" not in made


def test_plain_copy_writes_the_columns_that_the_door_writes():
    (event,) = events_of(Bodies(node="mta-01", epoch="one", size=1, mark=1).next())

    assert event["from_address"] == f"{event['from_user']}@{event['from_domain']}"
    assert str(event["to_address"]).endswith(f"@{event['to_domain']}")


def test_percentiles_are_of_the_values_and_none_without_any():
    assert report.percentile([], 0.5) is None
    assert report.percentile(range(1, 101), 0.5) == 51
    assert report.percentile(range(1, 101), 0.99) == 100
    assert report.percentile([7.0], 0.99) == 7.0


def test_the_last_line_has_one_object_with_these_keys_for_each_batch_size():
    results = [
        Measured(batch=batch, copy_per_s=1.0, cpu_us={"web": 1.0}, steady_cpu_us={"web": 1.0})
        for batch in (1, 10)
    ]

    rows = json.loads(report.as_json(results))

    assert [row["batch"] for row in rows] == [1, 10]
    assert all(list(row) == KEYS for row in rows)
    assert "\n" not in report.as_json(results)
    assert report.as_text(results)


@pytest.mark.stack
def test_under_load_nothing_acknowledged_is_missing_or_stored_twice_at_any_batch_size():
    nodes = ["bench-mta-01", "bench-mta-02"]
    with arrangement.running("bench-test", nodes=nodes) as running:
        cookie, marks = running.session_cookie(), Marks()
        for batch in (1, 10, 100, 500):
            result = measure(
                running, batch, seconds=2.0, marks=marks, cookie=cookie, copy_rows=2_000
            )

            assert (result.missing, result.twice) == (0, 0)
            assert result.events >= batch
            assert result.ack_ms
            assert result.live_ms
            assert set(result.cpu_us) == {"web", "live", "worker", "redis", "postgres"}

        # Nor would the oracle overlook it.
        rows, events = oracle.count(running, but_not=COPY_NODE)
        running.rows(
            "DELETE FROM email_events WHERE event_id IN"
            " (SELECT event_id FROM email_events WHERE mta_node <> %s LIMIT 3)",
            COPY_NODE,
        )
        assert oracle.count(running, but_not=COPY_NODE) == (rows - 3, events - 3)
