"""The real arrangement: web, live, worker, and private services set up as in production.

Shared with the crash harness. Only the rate limits are lifted: they are not what is measured.
"""

import contextlib
import http.client
import re
import secrets
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg2
import redis as redis_client

from build.stack import claim, postgres, redis, server
from build.stack.paths import LOGS, RUN
from build.stack.ports import LOOPBACK
from build.stack.postgres import Postgres
from build.stack.redis import Redis
from build.stack.supervisor import Running, Supervisor, leaving_no_child, stop_leftovers

NO_LIMIT = "1000000/second"
ADMIN = "bench"
SOCKET_TIMEOUT_S = 10.0


@dataclass
class Arrangement:
    """Everything that runs, and how to ask it."""

    supervisor: Supervisor
    postgres: Postgres
    redis: Redis
    site: server.Site
    server: server.Server
    password: str
    keys: dict[str, str]
    #: Where the small disk of the inbox is mounted; None when it is not.
    inbox_disk: Path | None = None
    more_workers: dict[str, Running] = field(default_factory=dict)

    @property
    def workers(self) -> dict[str, Running]:
        """Every worker by name."""
        return {"worker": self.server.worker, **self.more_workers}

    @property
    def programs(self) -> dict[str, Running]:
        """The programs of the server's side by name."""
        return {
            "web": self.server.web,
            "live": self.server.live,
            **self.workers,
            "redis": self.redis.running,
            "postgres": self.postgres.running,
        }

    def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Ask the database, with memory enough to count millions."""
        with self.database() as connection, connection.cursor() as cursor:
            cursor.execute("SET work_mem = '256MB'")
            cursor.execute(query, arguments)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def database(self) -> Iterator[Any]:
        """Open a connection for a block; commit at its end."""
        with contextlib.closing(psycopg2.connect(self.postgres.url)) as connection, connection:
            yield connection

    def waiting(self) -> int:
        """Return how many accepted batches of events are not yet stored."""
        return int(self._inbox.xlen(server.EVENTS_STREAM))

    @property
    def _inbox(self) -> "redis_client.Redis":
        if not hasattr(self, "_client"):
            self._client = redis_client.Redis.from_url(
                f"{self.redis.url}/0", socket_timeout=SOCKET_TIMEOUT_S
            )
        return self._client

    def session_cookie(self) -> str:
        """Log in as a browser does; return the Cookie header."""
        connection = http.client.HTTPConnection(
            LOOPBACK, self.server.web_port, timeout=SOCKET_TIMEOUT_S
        )
        with contextlib.closing(connection):
            connection.request("GET", "/login/")
            page = connection.getresponse()
            form = re.search(rb'csrfmiddlewaretoken" value="([^"]+)"', page.read())
            cookie = page.headers["Set-Cookie"].partition(";")[0]
            if form is None:
                message = "the login page has no form"
                raise ValueError(message)
            body = urllib.parse.urlencode(
                {
                    "csrfmiddlewaretoken": form[1].decode(),
                    "username": ADMIN,
                    "password": self.password,
                }
            )
            connection.request(
                "POST",
                "/login/",
                body,
                {
                    "Cookie": cookie,
                    "Content-Type": "application/x-www-form-urlencoded",
                    "Referer": f"http://{LOOPBACK}:{self.server.web_port}/login/",
                },
            )
            answer = connection.getresponse()
            answer.read()
            for header in answer.headers.get_all("Set-Cookie", []):
                if header.startswith("sessionid="):
                    return header.partition(";")[0]
        message = f"nobody was let in: {answer.status}"
        raise ValueError(message)


@contextlib.contextmanager
def running(
    name: str,
    *,
    nodes: list[str],
    more: dict[str, str] | None = None,
    inbox_disk_mib: int | None = None,
    workers: int = 1,
) -> Iterator[Arrangement]:
    """Run one for the length of the block, with a key for each of `nodes`; its data goes after.

    `more` is added to the environment of the server's processes. With `inbox_disk_mib` Redis has a
    disk of that size to itself, where this process may mount one.
    """
    directory = RUN / "exec" / name  # where `make stop` and the next run look for leftovers
    with claim.claimed(directory), contextlib.ExitStack() as stack:
        stack.callback(_clear, directory)
        _clear(directory)
        disk = stack.enter_context(_small_disk(directory / "redis", inbox_disk_mib))
        stack.enter_context(leaving_no_child())
        supervisor = stack.enter_context(
            Supervisor(directory, log_directory=LOGS / name),
        )
        arrangement = _start(supervisor, directory, nodes, more or {})
        arrangement.inbox_disk = disk
        for number in range(2, workers + 1):
            program = replace(arrangement.server.worker.program, name=f"worker-{number}")
            arrangement.more_workers[program.name] = supervisor.start(program)
        yield arrangement


def _clear(directory: Path) -> None:
    stop_leftovers(directory)
    for name in ("postgres", "redis"):
        if (directory / name).is_mount():  # left by a run that was killed
            subprocess.run(["umount", directory / name], check=False)
        shutil.rmtree(directory / name, ignore_errors=True)


@contextlib.contextmanager
def _small_disk(directory: Path, size_mib: int | None) -> Iterator[Path | None]:
    """Mount a disk of that size for the length of the block; give None when it cannot be."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=0755", "mallard-inbox"]
    if size_mib is None:
        yield None
        return
    directory.mkdir(parents=True, exist_ok=True)
    if subprocess.run([*mount, directory], capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=False)


def _start(
    supervisor: Supervisor, directory: Path, nodes: list[str], more: dict[str, str]
) -> Arrangement:
    database = postgres.start(supervisor, directory, more=postgres.PRODUCTION)
    cache = redis.start(supervisor, directory)
    site = server.Site(
        database.url,
        cache.url,
        logs=supervisor.log_directory,
        more={
            "INGEST_KEY_RATE": NO_LIMIT,
            "INGEST_ADDRESS_RATE": NO_LIMIT,
            "STATIC_ROOT": str(directory / "static"),
            **more,
        },
    )
    password = secrets.token_urlsafe(16)
    site.set_up(ADMIN, password)
    keys = dict(zip(nodes, ThreadPoolExecutor(2).map(lambda n: _key(site, n), nodes), strict=True))
    started = server.start(supervisor, site)
    return Arrangement(supervisor, database, cache, site, started, password, keys)


def _key(site: server.Site, node: str) -> str:
    return site.manage("create_api_key", "--node", node, "--name", node).strip()


def say(text: str) -> None:
    """Report progress: standard output is for results."""
    print(text, file=sys.stderr, flush=True)
