"""Data past its retention is dropped, chunk by chunk, as manage.py storage announces."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import dramatiq
import pytest
import redis
import time_machine
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from server.metrics.catalogue import KINDS
from server.rollups.levels import LEVELS
from server.storage.samples_writer import write_samples
from server.timescale import edition, retention
from server.timescale.actors import run_housekeeping
from server.timescale.scheduler import HousekeepingScheduler
from tests import random_samples
from tests.factories import row, stored_events, write

pytestmark = pytest.mark.usefixtures("committing_database")
NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def frozen(committing_database):
    with time_machine.travel(NOW, tick=False):
        yield


def rows_of(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def needs_community():
    if not edition.is_community(connection):
        pytest.skip("policies and compression need TimescaleDB's Community licence")


def test_old_chunks_are_dropped_and_younger_rows_stay():
    if edition.is_community(connection):
        pytest.skip("TimescaleDB's own policies drop under the Community licence")
    for age in (0, 7, 10, 100, 200):
        write(row(occurred_at=NOW - timedelta(days=age)))

    run_housekeeping()

    columns = {"email_events": "occurred_at"} | dict.fromkeys([t.table for t in LEVELS], "bucket")
    oldest = {
        table: (NOW - rows_of(f"SELECT min({column}) FROM {table}")[0][0]).days
        for table, column in columns.items()
    }
    assert oldest == {
        "email_events": 100,
        "email_stats_1m": 7,
        "email_stats_5m": 10,
        "email_stats_1h": 200,
        "email_stats_daily": 200,
    }
    assert retention.apply(NOW) == []


def test_policies_follow_the_settings(settings):
    needs_community()
    settings.RETENTION_DAYS = settings.RETENTION_DAYS | {"email_events": 30}

    run_housekeeping()
    first = policies()
    run_housekeeping()

    assert policies() == first  # what is right already is left alone
    assert {name: after for _, kind, name, after in first if kind == "policy_retention"} == {
        name: timedelta(days=days) for name, days in settings.RETENTION_DAYS.items()
    }
    settings.RETENTION_DAYS = settings.RETENTION_DAYS | {"email_events": 60}
    run_housekeeping()
    assert len(set(policies()) - set(first)) == 1


def policies():
    return rows_of(
        "SELECT j.job_id, j.proc_name, coalesce(c.view_name, j.hypertable_name),"
        " coalesce(j.config->>'drop_after', j.config->>'compress_after')::interval"
        " FROM timescaledb_information.jobs AS j"
        " LEFT JOIN timescaledb_information.continuous_aggregates AS c"
        "   ON c.materialization_hypertable_name = j.hypertable_name"
        " WHERE j.proc_name IN ('policy_retention', 'policy_compression') ORDER BY 1"
    )


def test_a_compressed_event_is_found_and_not_stored_again():
    needs_community()
    run_housekeeping()
    old = row(occurred_at=NOW - timedelta(days=5), queue_id="1a2b")
    write(old)
    rows_of("SELECT compress_chunk(c) FROM show_chunks('email_events') AS c")

    assert write(old, row(occurred_at=NOW - timedelta(days=5))) == 1

    assert len(stored_events(queue_id="1a2b")) == 1
    assert len(stored_events()) == 2


def test_compressed_samples_are_read_and_taken_only_once():
    needs_community()
    run_housekeeping()
    old = random_samples.samples(
        NOW - timedelta(days=3), NOW - timedelta(days=2), every=timedelta(hours=1)
    )
    write_samples(old)
    before = {kind.table: rows_of(f"SELECT count(*) FROM {kind.table}") for kind in KINDS}
    for kind in KINDS:
        rows_of(f"SELECT compress_chunk(c) FROM show_chunks('{kind.table}') AS c")

    write_samples(old[: len(old) // 2])

    assert {kind.table: rows_of(f"SELECT count(*) FROM {kind.table}") for kind in KINDS} == before
    assert {table for (table,) in rows_of(
        "SELECT DISTINCT hypertable_name FROM timescaledb_information.chunks WHERE is_compressed"
    )} == set(before)  # fmt: skip


def test_old_samples_are_dropped_and_their_levels_stay_longer():
    if edition.is_community(connection):
        pytest.skip("TimescaleDB's own policies drop under the Community licence")
    for days in (0, 20, 100, 800):
        at = NOW - timedelta(days=days)
        write_samples(random_samples.samples(at, at + timedelta(minutes=1), every=timedelta(1)))

    run_housekeeping()

    oldest = {
        table: (NOW - rows_of(f"SELECT min({column}) FROM {table}")[0][0]).days
        for table, column in [
            ("metrics_redis", "time"),
            ("metrics_redis_5m", "bucket"),
            ("metrics_redis_daily", "bucket"),
            ("mail_queue_snapshots", "time"),
            ("mail_queue_snapshots_5m", "bucket"),
        ]
    }
    assert oldest == {
        "metrics_redis": 20,
        "metrics_redis_5m": 20,
        "metrics_redis_daily": 100,
        "mail_queue_snapshots": 0,
        "mail_queue_snapshots_5m": 20,
    }


def storage(*arguments):
    out = StringIO()
    call_command("storage", *arguments, stdout=out)
    return out.getvalue()


def test_storage_prints_what_is_there_and_what_goes_when():
    write(row(occurred_at=NOW), row(occurred_at=NOW - timedelta(days=100)))
    rows_of("ANALYZE email_events; SELECT 1")

    lines = {line.split()[0]: line for line in storage().splitlines()}

    assert set(lines) >= set(settings.RETENTION_DAYS)
    raw = lines["email_events"]
    assert "2026-08-13 10:07" in raw
    assert "180 days" in raw
    assert "before 2026-08-14 on 2027-02-10" in raw
    assert "empty" in lines["metrics_system"]


def test_storage_drops_what_is_due_with_apply():
    if edition.is_community(connection):
        pytest.skip("TimescaleDB's own policies drop under the Community licence")
    write(row(occurred_at=NOW - timedelta(days=200)))

    assert "dropped _timescaledb_internal." in storage("--apply")
    assert "dropped" not in storage("--apply")


def test_housekeeping_is_sent_once_however_many_processes_try(empty_redis):
    broker, scheduler = dramatiq.get_broker(), HousekeepingScheduler()
    with redis.Redis.from_url(settings.BROKER_REDIS_URL) as client, scheduler._client:
        assert scheduler.send_if_due(broker)
        assert not scheduler.send_if_due(broker)
        assert broker.queues["housekeeping"].qsize() == 1
        client.delete("housekeeping:claimed")  # as when its time is over
        assert scheduler.send_if_due(broker)
