"""Report, plans and sets of the queries scenario."""

import json
from datetime import UTC, datetime, timedelta

from build.lab import scale_set
from build.lab.requests import Request
from build.lab.scenarios.queries import format_json, format_text
from tests.query_plan import Statement


def test_the_last_line_has_the_slowest_request_of_each_kind():
    requests = [
        Request(kind, name, (), times_ms=times)
        for kind, name, times in (
            ("lookup", "quick", [1.0] * 20),
            ("lookup", "slow", [float(i) for i in range(100)]),
            ("dashboard_24h", "one", [7.0]),
        )
    ]

    line = format_json(requests, raw_rows=5)

    assert json.loads(line) == {
        "raw_rows": 5, "dashboard_24h_p95_ms": 7.0, "lookup_p95_ms": 95.0,
    }  # fmt: skip
    assert "slow" in format_text(requests)


def test_rows_that_a_filter_left_out_were_read_all_the_same():
    scan = {
        "Node Type": "Seq Scan", "Relation Name": "nodes_node", "Actual Rows": 3,
        "Actual Loops": 2, "Rows Removed by Filter": 10,
    }  # fmt: skip
    plan = {"Plan": {"Node Type": "Limit", "Actual Rows": 1, "Actual Loops": 1, "Plans": [scan]}}

    statement = Statement("", plan | {"Planning Time": 1.0, "Execution Time": 2.5})

    assert statement.rows_read == 26
    assert statement.ms == 3.5
    assert statement.summarize() == "Seq Scan of nodes_node"


def test_a_set_is_kept_apart_by_its_numbers():
    assert scale_set.Scale(days=9).key != scale_set.Scale().key
    assert (
        scale_set.find_last_midnight()
        <= datetime.now(UTC)
        < scale_set.find_last_midnight() + timedelta(days=1)
    )
