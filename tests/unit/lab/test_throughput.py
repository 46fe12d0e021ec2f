"""Bodies of the load, percentiles and the report of the throughput scenario."""

import json
import random
import uuid

from build.lab.plain_copy import derive_columns
from build.lab.report import compute_percentile
from build.lab.scenarios.throughput import format_json
from build.lab.traffic import Bodies, build_template

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
    made = b"".join(build_template(rng, node="mta-01", mark=1) for _ in range(300))

    assert b"greylisted" not in made
    assert b"inbound" not in made


def test_plain_copy_writes_the_columns_that_the_server_derives():
    (event,) = derive_columns(Bodies(node="mta-01", epoch="one", size=1, mark=1).next())

    assert event["from_address"] == f"{event['from_user']}@{event['from_domain']}"
    assert str(event["to_address"]).endswith(f"@{event['to_domain']}")


def test_percentiles_are_of_the_values_and_none_without_any():
    assert compute_percentile([], 0.5) is None
    assert compute_percentile(range(1, 101), 0.5) == 51
    assert compute_percentile(range(1, 101), 0.99) == 100
    assert compute_percentile([7.0], 0.99) == 7.0


def test_the_last_line_has_one_object_with_these_keys_for_each_batch_size():
    results = [
        {name: {"web": 1.0} if name == "cpu_us_per_event" else batch for name in KEYS}
        | {"full load": {"events": 9}}
        for batch in (1, 10)
    ]

    rows = json.loads(format_json(results))

    assert [row["batch"] for row in rows] == [1, 10]
    assert all(list(row) == KEYS for row in rows)
    assert "\n" not in format_json(results)
