"""Mallard's own server: web, live and worker, on a database and a Redis that run already."""

import os
import secrets
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from build.stack.command import run
from build.stack.errors import StackError
from build.stack.paths import ROOT
from build.stack.ports import LOOPBACK, answers, answers_http, free_port
from build.stack.supervisor import Program, Running, Supervisor, python

SETTINGS_MODULE = "server.config.settings.local"
#: The streams of the inbox in Redis: of each kind of batch, and of what is beyond a node's share.
INBOX_STREAMS = [f"mallard:inbox:{s}" for s in ("events", "events:late", "samples", "samples:late")]


@dataclass(frozen=True)
class Server:
    """The three started processes, and their ports."""

    web_port: int
    live_port: int
    web: Running
    live: Running
    worker: Running

    @property
    def url(self) -> str:
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
        return {
            "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
            "SECRET_KEY": self.secret_key,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
            "LIVE_ORIGINS": f"http://{LOOPBACK}:{self.web_port},http://localhost:{self.web_port}",
            "LIVE_URL": f"ws://{LOOPBACK}:{self.live_port}/ws/live/",
            # rundramatiq looks for the program `dramatiq` on the path.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            **self.more,
        }

    def manage(self, *arguments: str, **environment: str) -> str:
        """Run a management command; return its output. Raise StackError with its last lines."""
        return run(
            [sys.executable, "manage.py", *arguments],
            environment={**self.environment, **environment},
            log=self.logs / f"{arguments[0]}.log",
        )

    def make_assets(self) -> None:
        """Make the files that pages load and collect them to be served. Raise StackError."""
        run(python("build.package.assets"), log=self.logs / "assets.log")
        self.manage("collectstatic", "--noinput", "--verbosity", "0")

    def migrate(self) -> None:
        """Make the tables. Raise StackError."""
        self.manage("migrate", "--noinput", "--verbosity", "0")

    def set_up(self, user: str, password: str) -> None:
        """Make the tables, the files that pages load and an administrator. Raise StackError."""
        self.migrate()
        self.make_assets()
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
    """Start web, live and worker of `site`, which is set up; each may be restarted."""
    program = partial(Program, environment=site.environment, cwd=ROOT, restarts=restarts)
    granian = [*python("granian"), "--host", LOOPBACK, "--workers", "1", "--interface"]
    worker = ["--processes", "1", "--threads", "4", "--worker-shutdown-timeout", "10000"]
    wsgi = ["wsgi", "--port", str(site.web_port), "--blocking-threads", "8"]
    asgi = ["asgi", "--port", str(site.live_port)]
    programs = (
        program(name="worker", argv=[sys.executable, "manage.py", "rundramatiq", *worker]),
        program(
            name="web",
            argv=[*granian, *wsgi, "server.config.wsgi:application"],
            is_ready=lambda: answers_http(site.web_port, "/api/v1/health"),
        ),
        program(
            name="live",
            argv=[*granian, *asgi, "server.config.asgi:application"],
            is_ready=lambda: answers(site.live_port),
        ),
    )
    started = {each.name: supervisor.spawn(each) for each in programs}
    for running in started.values():
        running.wait_until_ready()
    return Server(site.web_port, site.live_port, **started)
