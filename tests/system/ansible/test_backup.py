"""mallard-backup on a real TimescaleDB: a dump is restored, complete and working."""

import os
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg2
import pytest

from build.stack import postgres
from build.stack.paths import ROOT
from build.stack.server import Site
from tests.programs import run_service

SCRIPT = ROOT / "ansible" / "roles" / "mallard_server" / "files" / "mallard-backup"
TABLES = (
    "email_events",
    "email_stats_1m",
    "email_stats_5m",
    "email_stats_1h",
    "email_stats_daily",
    "nodes_node",
    "django_migrations",
)

#: Functions of the Community edition; the Apache edition has no such functions.
COMMUNITY = (
    "SELECT chunk_name, is_compressed FROM timescaledb_information.chunks"
    " WHERE hypertable_name = 'email_events' AND is_compressed ORDER BY chunk_name",
    "SELECT view_name, materialized_only, finalized"
    " FROM timescaledb_information.continuous_aggregates ORDER BY view_name",
    "SELECT proc_name, hypertable_name, schedule_interval, config::text, scheduled"
    " FROM timescaledb_information.jobs WHERE hypertable_name IS NOT NULL"
    " ORDER BY proc_name, hypertable_name, config::text",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A PostgreSQL of its own, because a restore needs a superuser, with six hours of history.

    Of yesterday's afternoon: how much is generated depends on the hour of the day.
    """
    yesterday = datetime.now(UTC).replace(hour=18, minute=0, second=0, microsecond=0) - timedelta(1)
    directory = tmp_path_factory.mktemp("backup")
    with run_service(postgres.start, directory, durable=False) as running:
        site = Site(running.url, os.environ["REDIS_URL"], logs=directory / "logs")
        site.manage("migrate", "--verbosity=0")
        site.manage("storage", "--apply")
        filled = ["--hours", "6", "--until", yesterday.isoformat(), "--events-per-hour", "300"]
        site.manage("fill", *filled, "--seed", "1")
        address = urlsplit(running.superuser_url)
        dumps = directory / "dumps"
        dumps.mkdir()
        environment = {
            **os.environ,
            "PATH": f"{postgres.programs_directory()}:{os.environ['PATH']}",
            "PGHOST": str(address.hostname),
            "PGPORT": str(address.port),
            "PGUSER": "postgres",
            "PGPASSWORD": str(address.password),
        }

        def backup(*words):
            return subprocess.run(
                ["sh", str(SCRIPT), *map(str, words)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )

        def query_all(database, query):
            url = running.superuser_url.rpartition("/")[0] + f"/{database}"
            with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
                connection.autocommit = True
                cursor.execute(query)
                return cursor.fetchall()

        def manage(database, *words):
            url = running.url.rpartition("/")[0] + f"/{database}"
            return Site(url, os.environ["REDIS_URL"], logs=directory / "logs").manage(*words)

        [[licence]] = query_all("mallard", "SELECT current_setting('timescaledb.license')")
        community = licence == "timescale"
        if community:
            # As they are once they are two days old.
            query_all("mallard", "SELECT compress_chunk(show_chunks('email_events'))")
        yield SimpleNamespace(
            backup=backup, query_all=query_all, manage=manage, dumps=dumps, community=community
        )


@pytest.fixture(scope="module")
def dump(server):
    done = server.backup("dump", "--database", "mallard", "--directory", server.dumps)
    assert done.returncode == 0, done.stderr
    [path] = server.dumps.glob("*.dump")
    return path


def contents(server, database):
    return {
        table: sorted(map(str, server.query_all(database, f"SELECT * FROM {table}")))
        for table in TABLES
    }


def test_what_was_dumped_comes_back_row_by_row(server, dump):
    done = server.backup("restore", "--database", "again", dump)

    assert done.returncode == 0, done.stderr
    before = contents(server, "mallard")
    assert len(before["email_events"]) > 1000
    assert contents(server, "again") == before


def test_a_restored_database_is_one_of_timescaledb_and_goes_on(server, dump):
    assert server.backup("restore", "--database", "lives", dump).returncode == 0
    hypertables = "SELECT hypertable_name, num_chunks FROM timescaledb_information.hypertables"

    assert sorted(server.query_all("lives", hypertables)) == sorted(
        server.query_all("mallard", hypertables)
    )
    assert server.query_all("lives", "SELECT current_setting('timescaledb.restoring')") == [
        ("off",)
    ]
    if server.community:
        for query in COMMUNITY:
            there = server.query_all("mallard", query)
            assert there
            assert server.query_all("lives", query) == there
    server.manage("lives", "migrate", "--check")
    server.manage("lives", "check", "--database", "default")
    days = server.query_all(
        "lives", "SELECT min(occurred_at)::date, max(occurred_at)::date FROM email_events"
    )
    server.manage("lives", "rollups", "--verify", *map(str, days[0]))
    before = server.query_all("lives", "SELECT count(*) FROM email_events")
    server.manage("lives", "fill", "--hours", "12", "--events-per-hour", "50", "--seed", "2")
    assert server.query_all("lives", "SELECT count(*) FROM email_events") > before


def test_a_database_that_is_there_is_never_restored_over(server, dump):
    done = server.backup("restore", "--database", "mallard", dump)

    assert done.returncode == 1
    assert "is there already" in done.stderr


def test_a_damaged_dump_is_reported_before_anything_is_made(server, dump, tmp_path):
    content = dump.read_bytes()
    broken = tmp_path / "broken.dump"
    broken.write_bytes(content[: len(content) * 2 // 3])

    assert server.backup("verify", dump).returncode == 0
    assert server.backup("verify", broken).returncode == 1
    assert server.backup("restore", "--database", "never", broken).returncode == 1
    assert not server.query_all("postgres", "SELECT 1 FROM pg_database WHERE datname = 'never'")


def test_a_dump_of_another_timescaledb_names_the_version_it_needs(server, dump, tmp_path):
    other = tmp_path / "other.dump"
    other.write_bytes(dump.read_bytes())
    other.with_suffix(".timescaledb").write_text("9.9.9\n")

    done = server.backup("restore", "--database", "never", other)

    assert done.returncode == 1
    assert "the dump is of TimescaleDB 9.9.9" in done.stderr


def old_dump(directory: Path) -> Path:
    path = directory / "mallard-20200101T000000Z.dump"
    path.write_text("")
    os.utime(path, (1_577_836_800, 1_577_836_800))
    return path


def test_old_dumps_are_removed_once_a_new_one_is_whole(server, tmp_path):
    old, foreign = old_dump(tmp_path), tmp_path / "notes.txt"
    foreign.write_text("mine")
    os.utime(foreign, (1_577_836_800, 1_577_836_800))

    done = server.backup(
        "dump", "--database", "mallard", "--directory", tmp_path, "--keep-days", 14
    )

    assert done.returncode == 0, done.stderr
    assert not old.exists()
    assert foreign.exists()
    assert len(list(tmp_path.glob("*.dump"))) == 1


def test_a_dump_that_fails_removes_nothing_and_leaves_nothing_half(server, tmp_path):
    old = old_dump(tmp_path)

    done = server.backup("dump", "--database", "none", "--directory", tmp_path, "--keep-days", 14)

    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == [old.name]


def test_a_name_that_would_be_sql_is_refused(server, dump):
    done = server.backup("restore", "--database", "x'; DROP TABLE y; --", dump)

    assert done.returncode == 1
    assert "letters, digits and _" in done.stderr
