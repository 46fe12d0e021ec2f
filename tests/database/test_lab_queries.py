"""The queries scenario in short: every request finds its rows by an index, in few chunks."""

from datetime import UTC, datetime

import pytest
import time_machine
from django.db import connection
from django.test import Client

from build.lab import scale_set
from build.lab.requests import FILTER_24H, LOOKUP, measure, pick_values, read_requests
from build.lab.scenarios.queries import BUDGETS_MS
from server.timescale import edition
from tests.query_plan import find_table

UNTIL = datetime(2026, 11, 21, tzinfo=UTC)
SMALL = scale_set.Scale(
    days=9, raw_days=3, events_per_day=2_400, nodes=6, seed=1, samples_every_s=7_200
)  # fmt: skip


@pytest.fixture
def scale_database(committing_database):
    if edition.is_community(connection):
        pytest.skip("copies of a day cannot be put into continuous aggregates")
    with time_machine.travel(UNTIL, tick=False):
        scale_set.fill(SMALL, UNTIL)
        yield


def test_every_request_finds_its_rows_by_an_index_in_the_chunks_of_its_time(
    scale_database, admin_client: Client
):
    raw_rows, counted = scale_set.count_events()
    assert counted == 3 * raw_rows > 9 * 2_000
    requests = []
    with connection.cursor() as cursor:
        # Small tables are read as they are; what is tested is whether there is another way.
        cursor.execute("SET enable_seqscan = off")
    try:
        for request in read_requests(pick_values()):
            measure(admin_client, request, times=0, warm_up=1)
            requests.append(request)
            for statement in request.statements:
                assert "Seq Scan" not in statement.summarize(), (request.name, statement.sql)
                raw = {n for n in chunks(statement) if find_table(n) == "email_events"}
                days = 2 if request.kind != LOOKUP and "24h" in request.kind else 4
                assert len(raw) <= days, (request.name, statement.sql)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET enable_seqscan")
    kinds = {request.kind for request in requests}
    assert kinds == set(BUDGETS_MS)
    lookups = {r.name: r for r in requests if r.kind in {LOOKUP, FILTER_24H}}
    for name, index in {
        "message_id": "email_events_by_message_id",
        "queue_id": "email_events_by_queue_id",
        "from_domain, 24 h": "email_events_from_domain",
        "to_domain, 24 h": "email_events_to_domain",
        "type": "email_events_failures",
    }.items():
        assert any(index in s.summarize() for s in lookups[name].statements), (
            name, [s.summarize() for s in lookups[name].statements],
        )  # fmt: skip


def chunks(statement):
    return {node["Relation Name"] for node in statement.scans}
