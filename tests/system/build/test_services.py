"""The real programs: each answers, does its part, and leaves no process."""

import smtplib
from contextlib import closing

import psycopg2
import pymongo
import pytest
import redis as redis_client

from build.stack import feeder, mongodb, postgres, redis, sink, zonemta
from build.stack.supervisor import find_marked
from tests.programs import enable_pre_images, parse_queue_id, run_service
from tests.waiting import until

DEADLINE_SECONDS = 30.0


def test_postgresql_has_timescaledb_for_a_role_that_is_no_superuser(tmp_path):
    with run_service(postgres.start, tmp_path, durable=False) as server:
        with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            cursor.execute("CREATE TABLE readings (at timestamptz NOT NULL, value int)")
            cursor.execute("SELECT create_hypertable('readings', by_range('at'))")
            cursor.execute("INSERT INTO readings VALUES (now(), 1)")
            cursor.execute(
                "SELECT time_bucket('1 minute', at), sum(value) FROM readings GROUP BY 1"
            )
            assert [total for _, total in cursor.fetchall()] == [1]
            cursor.execute(
                "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"
            )
            assert cursor.fetchone() == (False, True)
            cursor.execute("SHOW timescaledb.telemetry_level")
            assert cursor.fetchone() == ("off",)
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(f"postgres://mallard:wrong@127.0.0.1:{server.port}/mallard")

    assert find_marked(str(tmp_path)) == []


def test_postgresql_keeps_its_data_over_a_restart(tmp_path):
    def execute(statement):
        with (
            run_service(postgres.start, tmp_path, durable=False) as server,
            closing(psycopg2.connect(server.url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
            return cursor.fetchone()

    execute("CREATE TABLE stored (value int); INSERT INTO stored VALUES (7) RETURNING value")

    assert execute("SELECT value FROM stored") == (7,)


def test_redis_writes_through_to_disk_and_never_evicts(tmp_path):
    with run_service(redis.start, tmp_path) as server:
        with closing(redis_client.Redis.from_url(f"{server.url}/0")) as client:
            settings = client.config_get("append*") | client.config_get("maxmemory-policy")
            assert settings["appendonly"] == "yes"
            assert settings["appendfsync"] == "always"
            assert settings["maxmemory-policy"] == "noeviction"
            client.set("stored", "7")
        server.running.kill()  # no time to save

    with (
        run_service(redis.start, tmp_path) as server,
        closing(redis_client.Redis.from_url(f"{server.url}/0")) as client,
    ):
        assert client.get("stored") == b"7"

    assert find_marked(str(tmp_path)) == []


@pytest.mark.stack
def test_mongodb_streams_changes_with_the_document_as_it_was_before(tmp_path):
    with run_service(mongodb.start, tmp_path) as server:
        enable_pre_images(server, "mail", ("queue",))
        with (
            pymongo.MongoClient(server.uri) as client,
            client["mail"]["queue"].watch(
                full_document_before_change="required", max_await_time_ms=1000
            ) as changes,
        ):
            client["mail"]["queue"].insert_one({"_id": 1, "word": "before"})
            client["mail"]["queue"].delete_one({"_id": 1})

            seen = [next(changes), next(changes)]

    assert [change["operationType"] for change in seen] == ["insert", "delete"]
    assert seen[1]["fullDocumentBeforeChange"]["word"] == "before"
    assert find_marked(str(tmp_path)) == []


@pytest.mark.stack
def test_mongodb_finds_itself_in_its_replica_set_at_another_port(tmp_path):
    with run_service(mongodb.start, tmp_path) as server, pymongo.MongoClient(server.uri) as client:
        client["mail"]["queue"].insert_one({"_id": 1})
        first = server.port

    with run_service(mongodb.start, tmp_path) as server, pymongo.MongoClient(server.uri) as client:
        assert server.port != first
        assert client["mail"]["queue"].count_documents({}) == 1


@pytest.mark.stack
def test_zonemta_delivers_defers_and_bounces_as_the_sink_answers(tmp_path):
    with (
        run_service(redis.start, tmp_path / "redis") as cache,
        run_service(mongodb.start, tmp_path / "mongodb") as store,
        run_service(lambda supervisor, _: sink.start(supervisor), tmp_path / "sink") as receiving,
        run_service(
            zonemta.start,
            tmp_path / "zonemta",
            mongo_uri=store.uri_of(zonemta.DATABASE),
            redis_port=cache.port,
            sink_port=receiving.port,
            defer_times_ms=(1_000, 600_000),
        ) as mta,
    ):
        queue_ids = []
        with smtplib.SMTP("127.0.0.1", mta.smtp_port) as connection:
            for kind in ("ok", "once", "defer", "bounce"):
                message = feeder.Message(
                    message_id=f"<{kind}@corp.example>",
                    sender="alice@corp.example",
                    recipients=(f"{kind}-1@there.example",),
                    body_bytes=500,
                )
                queue_ids.append(parse_queue_id(feeder.submit(connection, message)))
        assert all(queue_ids)

        def replies():
            answered = {}
            for line in receiving.truth():
                kind = line["recipient"].partition("-")[0]
                answered.setdefault(kind, []).append(line["reply"][:3])
            return {kind: answered.get(kind) for kind in ("ok", "once", "defer", "bounce")}

        expected = {
            "ok": ["250"],
            "once": ["451", "250"],
            "defer": ["451", "451"],
            "bounce": ["550"],
        }
        until(lambda: replies() == expected, within_s=DEADLINE_SECONDS, poll_s=0.1)

    for part in ("redis", "mongodb", "sink", "zonemta"):
        assert find_marked(str(tmp_path / part)) == []
