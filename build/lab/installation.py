"""The server as in production: web, live, workers, PostgreSQL and Redis.

Only the rate limits are lifted: they are not what is measured.
"""

import contextlib
import re
import secrets
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg2
import redis as redis_client

from build.stack import postgres, redis, server
from build.stack.command import run
from build.stack.errors import StackError
from build.stack.postgres import Postgres
from build.stack.redis import Redis
from build.stack.supervisor import Running, Supervisor, leaving_no_child, temporary_run

#: Rate limits lifted, for loads that no node sends.
NO_LIMITS = dict.fromkeys(("INGEST_KEY_RATE", "INGEST_ADDRESS_RATE", "READ_RATE"), "1000000/second")
TIMEOUT_S = 10.0
#: The inbox may hold millions of events; it must not stop shrinking for longer than this.
MAX_STANDSTILL_S = 60.0
POLL_S = 0.02


@dataclass
class Installation:
    """Everything that runs, and how to reach it."""

    postgres: Postgres
    redis: Redis
    site: server.Site
    server: server.Server
    workers: dict[str, Running]
    user: str
    password: str
    keys: dict[str, str]
    #: Where the inbox's small disk is mounted; None when there is none.
    inbox_disk: Path | None = None

    @property
    def programs(self) -> dict[str, Running]:
        services = {"redis": self.redis.running, "postgres": self.postgres.running}
        return {"web": self.server.web, "live": self.server.live, **self.workers, **services}

    @contextlib.contextmanager
    def connect(self) -> Iterator[Any]:
        """Open a cursor for a block, with memory enough to count millions; commit at its end."""
        closing = contextlib.closing(psycopg2.connect(self.postgres.url))
        with closing as connection, connection, connection.cursor() as cursor:
            cursor.execute("SET work_mem = '256MB'")
            yield cursor

    def query(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self.connect() as cursor:
            cursor.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    @cached_property
    def inbox(self) -> "redis_client.Redis":
        return redis_client.Redis.from_url(f"{self.redis.url}/0", socket_timeout=TIMEOUT_S)

    def count_waiting(self) -> int:
        return sum(map(self.inbox.xlen, server.INBOX_STREAMS))

    def drain(self) -> int:
        """Wait until the inbox is empty or no longer shrinks; return how many batches it holds."""
        least, deadline = self.count_waiting(), time.monotonic() + MAX_STANDSTILL_S
        while least and time.monotonic() < deadline:
            time.sleep(POLL_S)
            if (waiting := self.count_waiting()) < least:
                least, deadline = waiting, time.monotonic() + MAX_STANDSTILL_S
        return least

    def log_in(self) -> str:
        """Log in as a browser does; return the session's key."""
        jar = CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        address = f"{self.server.url}/login/"
        form = opener.open(address, timeout=TIMEOUT_S).read()
        token = re.findall(rb'csrfmiddlewaretoken" value="([^"]+)"', form)[0].decode()
        body = {"csrfmiddlewaretoken": token, "username": self.user, "password": self.password}
        opener.open(address, urlencode(body).encode(), timeout=TIMEOUT_S).close()
        return next(str(cookie.value) for cookie in jar if cookie.name == "sessionid")


@contextlib.contextmanager
def run_installation(
    name: str,
    *,
    nodes: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    inbox_disk_mib: int | None = None,
    workers: int = 1,
) -> Iterator[Installation]:
    """Run one for the length of the block, with a key for each of `nodes`; its data goes after.

    With `inbox_disk_mib` Redis has a disk of that size to itself, where one may be mounted.
    """
    with leaving_no_child(), temporary_run(name) as supervisor:
        disk = supervisor.directory / "redis"
        disk.mkdir(exist_ok=True)
        if inbox_disk_mib is not None and not disk.is_mount():  # as after a run that was killed
            size = f"size={inbox_disk_mib}m,mode=0755"
            with contextlib.suppress(StackError):  # not everybody may
                run(["mount", "-t", "tmpfs", "-o", size, "mallard-inbox", disk])
        if disk.is_mount():
            supervisor.on_stop.callback(run, ["umount", disk])
        installation = start_installation(supervisor, nodes=nodes, environment=environment)
        installation.inbox_disk = disk if disk.is_mount() else None
        for number in range(2, workers + 1):
            program = replace(installation.server.worker.program, name=f"worker-{number}")
            installation.workers[program.name] = supervisor.start(program)
        yield installation


def start_installation(
    supervisor: Supervisor,
    *,
    nodes: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    durable: bool = True,
    user: str = "",
) -> Installation:
    directory = supervisor.directory
    database = postgres.start(supervisor, directory, durable=durable, more=postgres.PRODUCTION)
    cache = redis.start(supervisor, directory)
    site = server.Site(
        database.url,
        cache.url,
        logs=supervisor.log_directory,
        more={"STATIC_ROOT": str(directory / "static"), **NO_LIMITS, **(environment or {})},
    )
    # A name of its own: a database that is used again has the users of earlier runs.
    user, password = user or f"bench-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    site.set_up(user, password)
    command = ("create_api_key", "--node")
    keys = {node: site.manage(*command, node, "--name", node).strip() for node in nodes}
    started = server.start(supervisor, site)
    workers = {"worker": started.worker}
    return Installation(database, cache, site, started, workers, user, password, keys)
