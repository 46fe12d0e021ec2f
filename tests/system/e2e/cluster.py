"""Clusters of real programs: server, agent and sink with a ZoneMTA or a Haraka."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import DictCursor

from build.stack import agent, haraka, mongodb, redis, rspamd, server, sink, zonemta
from build.stack.redis import Redis
from build.stack.supervisor import Supervisor
from tests.programs import enable_pre_images
from tests.template import STATIC, make_static, own_database

NODE = "mta-01"
# The first retry after two seconds; the second is later than any test waits.
DEFER_TIMES_MS = (2_000, 600_000)
ADMIN_PASSWORD = "an admin's password"


@dataclass
class Base:
    """The programs that every cluster has, before its agent is started."""

    supervisor: Supervisor
    redis: Redis
    site: server.Site
    server: server.Server
    key: str
    sink: sink.Sink

    def start_agent(
        self,
        *,
        mongo_uri: str = "",
        role: str = "zonemta",
        program: Sequence[str | Path] | None = None,
    ) -> agent.Agent:
        return agent.start(
            self.supervisor,
            self.supervisor.directory,
            server_url=self.server.url,
            api_key=self.key,
            node=NODE,
            mongo_uri=mongo_uri,
            environment={"NODE_ROLE": role},
            program=program,
        )

    def rows(self, query: str, *arguments: Any) -> list[Any]:
        """Query the server's database."""
        with (
            contextlib.closing(psycopg2.connect(self.site.database_url)) as connection,
            connection.cursor(cursor_factory=DictCursor) as cursor,
        ):
            cursor.execute(query, arguments)
            return cursor.fetchall()


@dataclass
class Cluster(Base):
    """A node that sends mail, and the MongoDB of its queue."""

    agent: agent.Agent
    mongo: mongodb.MongoDB
    mta: zonemta.ZoneMta


@dataclass
class InboundCluster(Base):
    """A node that receives mail, with Rspamd where there is one."""

    agent: agent.Agent
    mx: haraka.Haraka


@contextlib.contextmanager
def run_server(directory: Path, environment: Mapping[str, str]) -> Iterator[Base]:
    """Run the part that all clusters share."""
    with own_database("e2e") as database_url, Supervisor(directory) as supervisor:
        own_redis = redis.start(supervisor, directory)
        more = {"STATIC_ROOT": str(STATIC), **environment}
        site = server.Site(database_url, own_redis.url, logs=directory / "log", more=more)
        make_static(site)
        site.make_user("admin", ADMIN_PASSWORD)
        key = site.manage("create_api_key", "--node", NODE, "--name", "test").strip()
        started = server.start(supervisor, site)
        receiving = sink.start(supervisor)
        yield Base(supervisor, own_redis, site, started, key, receiving)


@contextlib.contextmanager
def running(
    directory: Path,
    *,
    plugin: bool,
    stream: bool = True,
    pre_images: bool = True,
    defer_times_ms: Sequence[int] = DEFER_TIMES_MS,
    zones: zonemta.Zones = zonemta.DEFAULT_ZONES,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str | Path] | None = None,
) -> Iterator[Cluster]:
    """Run one in `directory`, whose agent has the plugin, the change stream, or both; `program` is
    the agent's, if not the usual one."""
    with run_server(directory, environment or {}) as base:
        mongo = mongodb.start(base.supervisor, directory)
        uri = mongo.uri_of(zonemta.DATABASE)
        if pre_images:
            enable_pre_images(mongo, zonemta.DATABASE, ("zone-queue", "mail.files"))
        watching = base.start_agent(mongo_uri=uri if stream else "", program=program)
        mta = zonemta.start(
            base.supervisor,
            directory,
            mongo_uri=uri,
            redis_port=base.redis.port,
            sink_port=base.sink.port,
            plugin_socket=watching.socket if plugin else None,
            defer_times_ms=defer_times_ms,
            zones=zones,
        )
        yield Cluster(**vars(base), agent=watching, mongo=mongo, mta=mta)


@contextlib.contextmanager
def run_inbound(
    directory: Path,
    *,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str | Path] | None = None,
) -> Iterator[InboundCluster]:
    """Run one in `directory`."""
    with run_server(directory, environment or {}) as base:
        watching = base.start_agent(role="haraka", program=program)
        scan_port = None
        if rspamd.is_installed():
            scanner = rspamd.start(base.supervisor, directory, redis_port=base.redis.port)
            scan_port = scanner.scan_port
        mx = haraka.start(
            base.supervisor,
            directory,
            sink_port=base.sink.port,
            redis_port=base.redis.port,
            rspamd_port=scan_port,
            plugin_socket=watching.socket,
        )
        yield InboundCluster(**vars(base), agent=watching, mx=mx)
