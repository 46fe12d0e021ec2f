"""Mallard's own server: web, live and worker, on a database and a Redis that run already."""

import http.client
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from build.stack.errors import StackError
from build.stack.paths import ROOT
from build.stack.ports import LOOPBACK, answers, free_port
from build.stack.supervisor import LOG_TAIL_LINES, Program, Running, Supervisor, python, tail

SETTINGS_MODULE = "server.config.settings.local"
REQUEST_TIMEOUT_SECONDS = 2
COMMAND_TIMEOUT_SECONDS = 600
#: What the inbox is in Redis: accepted batches that are not stored yet.
EVENTS_STREAM, SAMPLES_STREAM = "mallard:inbox:events", "mallard:inbox:samples"


@dataclass(frozen=True)
class Server:
    """The three started processes, and where they answer."""

    web_port: int
    live_port: int
    web: Running
    live: Running
    worker: Running

    @property
    def url(self) -> str:
        """The address a person and an agent use."""
        return f"http://{LOOPBACK}:{self.web_port}"


@dataclass
class Site:
    """One installation: its databases, its secret, its ports, the environment of its processes."""

    database_url: str
    redis_url: str
    logs: Path
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    web_port: int = field(default_factory=free_port)
    live_port: int = field(default_factory=free_port)
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What the server's settings read."""
        return {
            "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
            "SECRET_KEY": self.secret_key,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
            "LIVE_URL": f"ws://{LOOPBACK}:{self.live_port}/ws/live/",
            # rundramatiq looks for the program `dramatiq` on the path.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            **self.more,
        }

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run a management command; return what it printed. Raise StackError with its words."""
        argv = [sys.executable, "manage.py", *arguments]
        return run_command(
            arguments[0], argv, environment={**self.environment, **environment}, logs=self.logs
        )

    def set_up(self, user: str, password: str) -> None:
        """Make the tables, the collected static files and an administrator. Safe to repeat. Raise
        StackError."""
        self.manage("migrate", "--noinput", "--verbosity", "0")
        self.manage("collectstatic", "--noinput", "--verbosity", "0")
        self.make_user(user, password)

    def make_user(self, user: str, password: str) -> None:
        """Make an administrator, if there is none of this name yet. Raise StackError."""
        options = ("--noinput", "--username", user, "--email", f"{user}@example.invalid")
        try:
            self.manage("createsuperuser", *options, DJANGO_SUPERUSER_PASSWORD=password)
        except StackError as error:
            if "already taken" not in str(error):
                raise


def start(supervisor: Supervisor, site: Site, *, restarts: int = 0) -> Server:
    """Start web, live and worker of `site`, whose tables are made; each may be restarted."""

    def spawn(name: str, argv: list[str], is_ready: object) -> Running:
        return supervisor.spawn(
            Program(
                name=name,
                argv=argv,
                environment=site.environment,
                cwd=ROOT,
                is_ready=is_ready,  # type: ignore[arg-type]
                restarts=restarts,
            )
        )

    granian = [*python("granian"), "--host", LOOPBACK, "--workers", "1", "--interface"]
    server = Server(
        web_port=site.web_port,
        live_port=site.live_port,
        worker=spawn(
            "worker",
            [sys.executable, "manage.py", "rundramatiq", "--processes", "1", "--threads", "4",
             "--worker-shutdown-timeout", "10000"],
            None,
        ),
        web=spawn(
            "web",
            [*granian, "wsgi", "--port", str(site.web_port), "--blocking-threads", "8",
             "server.config.wsgi:application"],
            lambda: is_healthy(site.web_port),
        ),
        live=spawn(
            "live",
            [*granian, "asgi", "--port", str(site.live_port), "server.config.asgi:application"],
            lambda: answers(site.live_port),
        ),
    )  # fmt: skip
    for running in (server.worker, server.web, server.live):
        running.wait_until_ready()
    return server


def run_command(name: str, argv: list[str], *, environment: Mapping[str, str], logs: Path) -> str:
    """Run a command to its end and return what it printed on standard output.

    Raise StackError with the end of its log when it fails or takes too long.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                argv,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                timeout=COMMAND_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            message = f"{name} did not end within {COMMAND_TIMEOUT_SECONDS} s; see {log}"
            raise StackError(message) from error
        if name != "create_api_key":  # that one prints a secret
            output.write(done.stdout)
    if done.returncode != 0:
        message = f"{name} failed; the end of {log}:\n{tail(log, LOG_TAIL_LINES)}"
        raise StackError(message)
    return done.stdout.decode(errors="replace")


def is_healthy(port: int) -> bool:
    """Return whether the web process says that it is well."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/api/v1/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
