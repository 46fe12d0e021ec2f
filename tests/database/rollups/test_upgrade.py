"""`manage.py upgrade_edition`: from the writer's tables to continuous aggregates, nothing lost."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from server.demo import mail
from server.demo.samples import system_samples
from server.metrics.catalogue import KINDS
from server.nodes.store import node_ids
from server.rollups import continuous_aggregates, maintainer, upgrade
from server.rollups.levels import LEVELS, ONE_MINUTE, WIDER_LEVELS
from server.rollups.mail import sql
from server.rollups.samples import maintainer as sample_maintainer
from server.storage.samples_writer import write_samples
from server.timescale import edition, retention
from tests.databases import hold_policies
from tests.factories import count_differences, row, write

pytestmark = pytest.mark.usefixtures("committing_database")
NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def frozen(committing_database):
    with time_machine.travel(NOW, tick=False):
        yield


def rows_of(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def contents():
    return {
        level.table: sorted(rows_of(f"SELECT {sql.COLUMNS} FROM {level.table}")) for level in LEVELS
    }


def readings(table):
    """All of a level; sums of floats hang a little on the order in which they were added."""
    return [
        tuple(float(f"{value:.9g}") if isinstance(value, float) else value for value in each)
        for each in rows_of(f"SELECT * FROM {table} ORDER BY node_id, bucket")
    ]


def upgrade_edition():
    out = StringIO()
    call_command("upgrade_edition", stdout=out)
    return out.getvalue()


def held_back(create):
    policy = "SELECT add_continuous_aggregate_policy("

    def without_running(*arguments, **options):
        return [
            f"SELECT alter_job({s.removeprefix('SELECT ')}, scheduled => false)"
            if s.startswith(policy)
            else s
            for s in create(*arguments, **options)
        ]

    return without_running


@pytest.fixture
def made_under_apache(monkeypatch):
    """The database as it would be, had it been made under Apache's licence."""
    if not edition.is_community(connection):
        pytest.skip("there is nothing to upgrade to without TimescaleDB's Community licence")
    modules = (maintainer, sample_maintainer)
    for statement in (s for module in modules for s in module.removal(connection)):
        rows_of(statement)
    with monkeypatch.context() as under_apache:
        under_apache.setattr(edition, "is_community", lambda _connection: False)
        for statement in (s for module in modules for s in module.creation(connection)):
            rows_of(statement)
    assert maintainer.written_levels() == LEVELS
    assert sample_maintainer.written_kinds(KINDS) == set(KINDS)
    # Policies run at once, by a clock that is not frozen.
    creation = held_back(continuous_aggregates.creation)
    monkeypatch.setattr(continuous_aggregates, "creation", creation)
    set_policies = retention.set_policies

    def set_and_hold_policies(*arguments):
        with transaction.atomic():
            set_policies(*arguments)
            hold_policies()

    monkeypatch.setattr(retention, "set_policies", set_and_hold_policies)
    yield
    if maintainer.written_levels() == LEVELS:  # the test failed: leave it as it was found
        upgrade.to_continuous_aggregates(NOW)


def test_under_apaches_licence_it_names_what_to_install(monkeypatch):
    monkeypatch.setattr(edition, "is_community", lambda _connection: False)

    with pytest.raises(CommandError, match="Install the Community edition"):
        upgrade_edition()


def test_all_history_stays_though_its_minutes_are_gone(made_under_apache):
    ages = [timedelta(days=d, hours=h) for d in (0, 1, 5, 12, 40, 85) for h in (0, 3)]
    write(*(row(occurred_at=NOW - age, delivery_time_ms=700) for age in ages for _ in range(3)))
    rows_of("SELECT drop_chunks('email_stats_1m', '2026-11-13'::timestamptz)")
    before = contents()

    output = upgrade_edition()

    assert output.count("kept by TimescaleDB now") == len(WIDER_LEVELS) + 3 * len(KINDS)
    assert sample_maintainer.written_kinds(KINDS) == set()
    assert maintainer.written_levels() == (ONE_MINUTE,)
    assert contents() == before
    assert sum(r[5] for r in before["email_stats_daily"] if r[3] == "all") == 3 * len(ages)
    assert "already" in upgrade_edition()  # and again changes nothing
    assert contents() == before


def test_the_samples_levels_keep_their_history(made_under_apache):
    ids = node_ids(["mta-01"])
    nothing_wrong = mail.incidents(NOW, seed=1)
    for days in (0, 3, 60):
        start = NOW - timedelta(days=days, hours=2)
        write_samples(
            list(
                system_samples(
                    list(ids), start, start + timedelta(hours=1), every_s=60, seed=1,
                    wrong=nothing_wrong,
                )
            )
        )  # fmt: skip
    rows_of("SELECT drop_chunks('metrics_system', '2026-11-01'::timestamptz)")
    tables = [f"metrics_system_{width}" for width in ("5m", "1h", "daily")]
    before = [readings(table) for table in tables]

    upgrade_edition()

    assert [readings(table) for table in tables] == before
    assert all(before)


def test_new_and_late_events_are_counted_afterwards(made_under_apache):
    write(*(row(occurred_at=NOW - timedelta(days=days)) for days in (0, 2, 30)))
    upgrade_edition()

    write(row(occurred_at=NOW), row(occurred_at=NOW - timedelta(days=2)))
    upgrade.show_history(NOW + timedelta(days=1))  # what the policies do each minute

    assert [count_differences(level) for level in LEVELS] == [0] * len(LEVELS)


def test_a_run_that_died_before_the_refresh_is_finished_by_the_next(made_under_apache):
    write(*(row(occurred_at=NOW - timedelta(days=days)) for days in (0, 2, 30)))
    rows_of("SELECT drop_chunks('email_stats_1m', '2026-11-13'::timestamptz)")
    before = contents()
    upgrade.to_continuous_aggregates(NOW)

    upgrade_edition()

    assert contents() == before


def test_an_empty_database_is_upgraded_too(made_under_apache):
    upgrade_edition()
    write(row(occurred_at=NOW))

    assert [count_differences(level) for level in LEVELS] == [0] * len(LEVELS)


def test_history_alone_is_shown_too(made_under_apache):
    write(row(occurred_at=NOW - timedelta(days=40)), row(occurred_at=NOW - timedelta(days=8)))
    rows_of("SELECT drop_chunks('email_stats_1m', '2026-11-13'::timestamptz)")
    before = contents()

    upgrade_edition()

    assert contents() == before


def test_nothing_is_changed_where_something_would_get_lost(made_under_apache):
    write(row(occurred_at=NOW), row(occurred_at=NOW - timedelta(days=20)))
    rows_of("DELETE FROM email_stats_1m WHERE bucket > '2026-11-20'")  # as if dropped too early
    before = contents()

    with pytest.raises(CommandError, match="Nothing was changed"):
        upgrade_edition()

    assert maintainer.written_levels() == LEVELS
    assert contents() == before
    rows_of("TRUNCATE email_stats_1m, email_stats_5m, email_stats_1h, email_stats_daily")
