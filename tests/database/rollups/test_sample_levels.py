"""The levels of the samples: what the samples add up to, whoever keeps them, in any order."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from server.metrics import catalogue
from server.metrics.measures import Measure
from server.nodes.models import Node
from server.rollups.samples import levels as sample_levels
from server.rollups.samples import maintainer as sample_maintainer
from server.rollups.samples import sql as sample_sql
from server.rollups.samples.levels import levels_of
from server.storage.samples_writer import write_samples
from server.timescale import edition
from tests import random_samples
from tests.databases import empty_hypertables

NOW = datetime(2026, 11, 21, 10, 7, 10, tzinfo=UTC)
#: Numbers of a model that are no readings.
NO_READINGS = {"id", "node_id", "time"}


def rows_of(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def rollups(*arguments):
    out = StringIO()
    call_command("rollups", *arguments, stdout=out)
    return out.getvalue()


def test_every_number_of_every_table_is_a_gauge_a_counter_or_declared_to_be_neither():
    models = {model._meta.db_table: model for model in apps.get_models()}
    for kind in catalogue.KINDS:
        fields = models[kind.table]._meta.concrete_fields
        numbers = {
            str(field.column)
            for field in fields
            if field.get_internal_type() in {"BigIntegerField", "IntegerField", "FloatField"}
        } - NO_READINGS
        declared = [
            gauge.name for gauge in kind.gauges if gauge.expression == f"({gauge.name})::float"
        ]
        declared += kind.counters
        declared += [c.name for c in kind.columns() if c.measure is Measure.UNTRACKED]
        assert len(set(declared)) == len(declared), kind.name
        made_up = {gauge.name for gauge in kind.gauges} - numbers
        assert set(declared) - made_up == numbers, kind.name
        assert all(name.endswith("_total") <= (name in kind.counters) for name in numbers), (
            kind.name
        )


@pytest.mark.django_db
@pytest.mark.parametrize("kind", catalogue.KINDS, ids=lambda kind: kind.name)
def test_every_level_has_the_same_columns_of_the_same_types(kind):
    described = [
        dict(
            rows_of(
                "SELECT column_name, data_type FROM information_schema.columns"
                f" WHERE table_name = '{level.table}'"
            )
        )
        for level in levels_of(kind)
    ]

    assert described[0] == described[1] == described[2]
    assert described[0].keys() == set(sample_sql.columns(kind))
    counts = {f"{gauge.name}_count" for gauge in kind.gauges}
    assert {described[0][name] for name in {"samples", *counts}} == {"bigint"}
    assert {described[0][f"{g.name}_{p}"] for g in kind.gauges for p in ("sum", "max")} == {
        "double precision"
    }


@pytest.mark.django_db
def test_the_licence_decides_who_keeps_the_levels():
    community = edition.is_community(connection)

    assert sample_maintainer.written_kinds(catalogue.KINDS) == (
        set() if community else {*catalogue.KINDS}
    )


@pytest.mark.django_db
def test_the_last_of_a_counter_is_that_of_the_last_sample_known_or_not():
    (found,) = rows_of(
        "SELECT last(v, t), last(v, t) FILTER (WHERE t < 3), max(t)"
        " FROM (VALUES (1, 7), (2, 9), (3, NULL)) AS rows (t, v)"
    )

    assert found == (None, 9, 3)


def write_two_days():
    """Store two days of samples, in random order and batches, many of them twice."""
    made = random_samples.samples(NOW - timedelta(hours=30), NOW, every=timedelta(minutes=7))
    for at in range(0, len(made), 150):
        write_samples(made[at : at + 150])
        write_samples(made[at : at + 40])


@pytest.fixture(scope="module")
def committed_samples(django_db_setup, django_db_blocker):
    """Two days of samples, stored once: each test undoes what it changes."""
    with django_db_blocker.unblock():
        empty_hypertables()
        write_two_days()
        yield
        empty_hypertables()
        Node.objects.all().delete()


@pytest.fixture
def stored_samples(committed_samples, db):
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def community(committing_database):
    if not edition.is_community(connection):
        pytest.skip("continuous aggregates need TimescaleDB's Community licence")


def test_every_level_is_what_the_samples_add_up_to_in_any_order(stored_samples):
    output = rollups("--verify")

    for level in sample_levels.all_levels():
        assert f"{level.table}: 0 rows" not in output
        assert output.count(f" {level.table}: ") == 2
    assert output.count(", 0 different") == 2 * (33 + 4)


def test_mean_highest_and_last_are_those_of_plain_sql(stored_samples):
    hour = "2026-11-21 08:00+00"
    plain = rows_of(
        "SELECT count(*), avg(connected_clients_count)::float, max(connected_clients_count)::float,"
        " (array_agg(commands_total ORDER BY time DESC))[1], max(time)"
        " FROM metrics_redis JOIN nodes_node AS n ON n.id = node_id AND name = 'mta-02'"
        f" WHERE time >= '{hour}' AND time < timestamptz '{hour}' + interval '1 hour'"
    )
    level = rows_of(
        "SELECT samples, connected_clients_count_sum / connected_clients_count_count,"
        " connected_clients_count_max, commands_total, last_at"
        " FROM metrics_redis_1h JOIN nodes_node AS n ON n.id = node_id AND name = 'mta-02'"
        f" WHERE bucket = '{hour}'"
    )

    assert level[0] == (plain[0][0], pytest.approx(plain[0][1]), *plain[0][2:])


def test_a_wrong_level_is_found_and_made_right(stored_samples):
    if edition.is_community(connection):
        pytest.skip("TimescaleDB keeps these levels itself, nobody can make them wrong")
    rows_of("UPDATE metrics_redis_5m SET keys_count_sum = keys_count_sum * 1.001")
    rows_of("DELETE FROM mail_queue_snapshots_1h WHERE bucket >= '2026-11-21'")
    rows_of("UPDATE metrics_process_daily SET last_at = last_at - interval '1 second'")

    with pytest.raises(CommandError, match="rows differ"):
        rollups("--verify", "2026-11-20", "2026-11-21")
    assert "levels of 11 tables of samples" in rollups("--rebuild", "2026-11-20", "2026-11-21")

    assert "0 different" in rollups("--verify")


def test_days_of_which_samples_are_gone_are_left_as_they_are(stored_samples, settings):
    settings.RETENTION_DAYS = settings.RETENTION_DAYS | {"metrics_redis": 0}

    output = rollups("--verify", "2026-11-21", "2026-11-21")

    assert "metrics_redis" not in output
    assert "metrics_agent_5m" in output
    # TimescaleDB refreshes its own levels in no transaction, and this test is in one.
    if not edition.is_community(connection):
        assert "levels of 10 tables" in rollups("--rebuild", "2026-11-21", "2026-11-21")


@time_machine.travel(NOW, tick=False)
def test_late_samples_are_in_every_level_after_the_next_refresh(community):
    write_two_days()
    refresh()
    at = NOW - timedelta(hours=26)
    late = random_samples.samples(at, at + timedelta(hours=1), every=timedelta(minutes=1), seed=2)
    write_samples(late)

    refresh()

    assert rollups("--verify").count(", 0 different") == 2 * (33 + 4)


def refresh():
    window = f"'{NOW - timedelta(days=9)}', '{NOW + timedelta(days=2)}'"
    for level in sample_levels.all_levels():
        rows_of(f"CALL refresh_continuous_aggregate('{level.table}', {window})")
