"""The levels above the 1-minute level: the same counts, whoever keeps them."""

from datetime import timedelta

import pytest
from django.db import connection

from server.demo import mail
from server.events.mapping import to_line
from server.rollups import maintainer
from server.rollups.levels import LEVELS, ONE_MINUTE, WIDER_LEVELS
from server.rollups.mail import details, sql
from server.rollups.samples import levels as sample_levels
from server.storage.transaction import write_events
from server.timescale import edition
from tests.factories import NOW, count_differences, row, write

pytestmark = pytest.mark.django_db


def rows_of(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_every_level_is_what_the_raw_rows_add_up_to():
    hours = mail.hours(NOW - timedelta(hours=30), NOW)
    rows = [r for h in hours for r in mail.hour_of_events(h, events_per_hour=60, seed=4)]
    rows.append(row(from_address="<>", from_domain=None))
    for at in range(0, len(rows), 500):
        write_events([to_line(r) for r in rows[at : at + 500]])
    write(rows[0])  # known already
    details.count_all(NOW)

    assert {level.name: count_differences(level) for level in LEVELS} == {
        level.name: 0 for level in LEVELS
    }
    for level in LEVELS:
        ((events,),) = rows_of(f"SELECT sum(events) FROM {level.table} WHERE dimension = 'node'")
        assert events > 1_000, level.name


def test_every_level_has_the_same_columns_of_the_same_types():
    described = {
        level.name: rows_of(
            "SELECT column_name, data_type FROM information_schema.columns"
            f" WHERE table_name = '{level.table}' ORDER BY column_name"
        )
        for level in LEVELS
    }

    assert all(columns == described["1m"] for columns in described.values())
    assert len(described["1m"]) == len(sql.KEY) + len(sql.MEASURES)


def test_absurd_values_fill_their_sum_and_cost_nobody_elses_counts():
    """A version before accepted sizes of 2^53 bytes: 1 024 of them are more than 64 bits hold."""
    absurd = {"message_size_bytes": 2**53, "delivery_time_ms": 2**31 - 1, "mta_node": "mta-66"}
    for _ in range(3):
        write(*(row(**absurd) for _ in range(1_100)))
    assert write(row(message_size_bytes=1)) == 1

    for level in LEVELS:
        ((events, size_bytes, delivery_ms),) = rows_of(
            f"SELECT events, size_bytes, delivery_ms_sum FROM {level.table} WHERE dimension = 'all'"
        )
        assert events == 3_301, level.name
        assert ONE_MINUTE.max_sum <= size_bytes <= level.max_sum, level.name
        assert ONE_MINUTE.max_sum <= delivery_ms <= level.max_sum, level.name
    assert rows_of(
        f"SELECT size_bytes FROM {ONE_MINUTE.table} WHERE dimension = 'node' AND value = 'mta-01'"
    ) == [(1,)]


def test_a_day_is_a_utc_day():
    midnight = NOW.replace(hour=0, minute=0, second=0)
    write(row(occurred_at=midnight - timedelta(microseconds=1)), row(occurred_at=midnight))

    days = rows_of("SELECT bucket, events FROM email_stats_daily WHERE dimension = 'all'")
    assert sorted(days) == [(midnight - timedelta(days=1), 1), (midnight, 1)]


def test_the_licence_decides_who_keeps_the_wider_levels():
    community = edition.is_community(connection)

    kinds = {kind for (kind,) in rows_of(
        "SELECT relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN"
        f" ({', '.join(repr(level.table) for level in WIDER_LEVELS)})"
    )}  # fmt: skip

    assert kinds == ({"v"} if community else {"r"})
    assert maintainer.written_levels() == ((ONE_MINUTE,) if community else LEVELS)


def test_refresh_policies_are_there_and_the_views_are_real_time():
    if not edition.is_community(connection):
        pytest.skip("continuous aggregates need TimescaleDB's Community licence")

    views = rows_of(
        "SELECT view_name, materialized_only FROM timescaledb_information.continuous_aggregates"
    )
    jobs = rows_of(
        "SELECT count(*) FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_refresh_continuous_aggregate'"
    )

    wanted = [(level.table, False) for level in (*WIDER_LEVELS, *sample_levels.all_levels())]
    assert sorted(views) == sorted(wanted)
    assert jobs == [(len(wanted),)]


@pytest.mark.usefixtures("committing_database")
def test_late_events_are_in_every_level_after_the_next_refresh():
    if not edition.is_community(connection):
        pytest.skip("continuous aggregates need TimescaleDB's Community licence")
    write(row())
    refresh()
    write(row(occurred_at=NOW - timedelta(days=3)), row())

    refresh()

    assert [count_differences(level) for level in LEVELS] == [0] * len(LEVELS)


def refresh():
    for level in WIDER_LEVELS:
        window = f"'{NOW - timedelta(days=9)}', '{NOW + timedelta(days=2)}'"
        rows_of_nothing(f"CALL refresh_continuous_aggregate('{level.table}', {window})")


def rows_of_nothing(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
