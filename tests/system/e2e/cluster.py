"""One small cluster of real programs: databases, server, agent, MongoDB, ZoneMTA, and a sink."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import DictCursor

from build.stack import agent, mongodb, redis, server, sink, zonemta
from build.stack.supervisor import Supervisor
from tests.databases import own_database

NODE = "mta-01"
# The first retry after two seconds; the second is later than any test waits.
DEFER_TIMES_MS = (2_000, 600_000)
ADMIN_PASSWORD = "an admin's password"


@dataclass
class Cluster:
    """Everything a test touches."""

    supervisor: Supervisor
    site: server.Site
    server: server.Server
    agent: agent.Agent
    mongo: mongodb.MongoDB
    sink: sink.Sink
    mta: zonemta.ZoneMta

    def rows(self, query: str, *arguments: Any) -> list[Any]:
        """Ask the server's database."""
        with (
            contextlib.closing(psycopg2.connect(self.site.database_url)) as connection,
            connection.cursor(cursor_factory=DictCursor) as cursor,
        ):
            cursor.execute(query, arguments)
            return cursor.fetchall()


@contextlib.contextmanager
def running(directory: Path, *, plugin: bool, pre_images: bool = True) -> Iterator[Cluster]:
    """Run one in `directory`. Without `plugin` the agent has the change stream alone."""
    with own_database("e2e") as database_url, Supervisor(directory) as supervisor:
        own_redis = redis.start(supervisor, directory)
        site = server.Site(database_url, own_redis.url, logs=directory / "log")
        site.set_up("admin", ADMIN_PASSWORD)
        key = site.manage("create_api_key", "--node", NODE, "--name", "test").strip()
        started = server.start(supervisor, site)
        mongo = mongodb.start(supervisor, directory)
        if pre_images:
            mongo.enable_pre_images(zonemta.DATABASE, ("zone-queue", "mail.files"))
        watching = agent.start(
            supervisor,
            directory,
            server_url=started.url,
            api_key=key,
            node=NODE,
            mongo_uri=mongo.uri_of(zonemta.DATABASE),
        )
        receiving = sink.start(supervisor, directory)
        mta = zonemta.start(
            supervisor,
            directory,
            mongo_uri=mongo.uri_of(zonemta.DATABASE),
            redis_port=own_redis.port,
            sink_port=receiving.port,
            plugin_socket=watching.socket if plugin else None,
            defer_times_ms=DEFER_TIMES_MS,
        )
        yield Cluster(supervisor, site, started, watching, mongo, receiving, mta)


def wait_until(condition: Callable[[], bool], *, within_s: float) -> None:
    """Return when it holds, or when the time is over: the assertions say better what is missing."""
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)
