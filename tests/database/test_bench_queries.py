"""`make bench-queries` in short: every question finds its rows by an index, in few chunks."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client

from build.bench_queries import measure, questions, report, scale
from build.bench_queries.measure import Asked, Statement
from build.bench_queries.questions import BUDGETS_MS, FILTER_24H, LOOKUP, Question
from server.timescale import edition

UNTIL = datetime(2026, 11, 21, tzinfo=UTC)
SMALL = scale.Scale(
    days=9, raw_days=3, events_per_day=2_400, nodes=6, seed=1, samples_every_s=7_200
)  # fmt: skip


@pytest.fixture
def filled(committed):
    if edition.is_community(connection):
        pytest.skip("copies of a day cannot be put into continuous aggregates")
    with time_machine.travel(UNTIL, tick=False):
        scale.fill(SMALL, UNTIL, say=lambda _: None)
        yield


def test_every_question_finds_its_rows_by_an_index_in_the_chunks_of_its_time(
    filled, admin_client: Client
):
    assert scale.counted_events() == 3 * scale.raw_rows() > 9 * 2_000
    values = questions.pick()
    asked = []
    with connection.cursor() as cursor:
        # Tables this small are read whole; what is asked here is whether there is another way.
        cursor.execute("SET enable_seqscan = off")
    try:
        for question in [
            *questions.dashboard(node=values.mta_node[0]), *questions.searches(values)
        ]:  # fmt: skip
            one = measure.ask(admin_client, question, times=0, warm_up=1)
            asked.append(one)
            for statement in one.statements:
                assert "Seq Scan" not in statement.summary(), (question.name, statement.sql)
                raw = {n for n in chunks(statement) if measure.table_of(n) == "email_events"}
                days = 2 if question.kind != LOOKUP and "24h" in question.kind else 4
                assert len(raw) <= days, (question.name, statement.sql)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET enable_seqscan")
    kinds = {one.question.kind for one in asked}
    assert kinds == set(BUDGETS_MS)
    lookups = {o.question.name: o for o in asked if o.question.kind in {LOOKUP, FILTER_24H}}
    for name, index in {
        "message_id": "email_events_by_message_id",
        "queue_id": "email_events_by_queue_id",
        "from_domain, 24 h": "email_events_from_domain",
        "to_domain, 24 h": "email_events_to_domain",
        "type": "email_events_failures",
    }.items():
        assert any(index in s.summary() for s in lookups[name].statements), (
            name, [s.summary() for s in lookups[name].statements],
        )  # fmt: skip


def chunks(statement):
    return {node["Relation Name"] for node in statement.scans}


def test_the_last_line_has_the_slowest_question_of_each_kind():
    asked = [
        Asked(Question(kind, name, ()), times_ms=times)
        for kind, name, times in (
            ("lookup", "quick", [1.0] * 20),
            ("lookup", "slow", [float(i) for i in range(100)]),
            ("dashboard_24h", "one", [7.0]),
        )
    ]

    line = report.as_json(asked, raw_rows=5)

    assert json.loads(line) == {
        "raw_rows": 5, "dashboard_24h_p95_ms": 7.0, "lookup_p95_ms": 95.0,
    }  # fmt: skip
    assert "slow" in report.as_text(asked)


def test_rows_that_a_filter_left_out_were_read_all_the_same():
    scan = {
        "Node Type": "Seq Scan", "Relation Name": "nodes_node", "Actual Rows": 3,
        "Actual Loops": 2, "Rows Removed by Filter": 10,
    }  # fmt: skip
    plan = {"Plan": {"Node Type": "Limit", "Actual Rows": 1, "Actual Loops": 1, "Plans": [scan]}}

    statement = Statement("", plan | {"Planning Time": 1.0, "Execution Time": 2.5})

    assert statement.rows_read == 26
    assert statement.ms == 3.5
    assert statement.summary() == "Seq Scan of nodes_node"


def test_a_set_is_kept_apart_by_its_numbers():
    assert SMALL.key != scale.Scale().key
    assert scale.last_midnight() <= datetime.now(UTC) < scale.last_midnight() + timedelta(days=1)
