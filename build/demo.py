"""`python -m build.demo` (`make demo`): all of Mallard on this machine, with real mail.

Starts what build/stack has, then the server, the agent and a stream of mail, and watches them
until Ctrl-C: what ends is named with the last lines of its log, and our own programs are started
again, a few times.
"""

import argparse
import concurrent.futures
import http.client
import json
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from build.stack import claim, feeder, mongodb, postgres, redis, sink, zonemta
from build.stack.errors import AlreadyRunningError, StackError
from build.stack.paths import LOGS, ROOT, RUN, socket_directory
from build.stack.ports import LOOPBACK, answers, free_port
from build.stack.supervisor import (
    LOG_TAIL_LINES,
    Program,
    Running,
    Supervisor,
    end_on_signals,
    leaving_no_child,
    python,
    tail,
)

HOME = RUN / "demo"
SECRETS = RUN / "secrets.json"
HISTORY = HOME / "history.json"
ALIVE = HOME / "alive"  # touched while the demo runs: tells the next start how long it did not

USER = "admin"
NODE = "mta-01"
WEB_PORTS = range(8000, 8100, 10)
COMMAND_TIMEOUT_SECONDS = 600
REQUEST_TIMEOUT_SECONDS = 2
WATCH_EVERY_SECONDS = 1.0
RESTARTS = 5
HISTORY_HOURS = 24
HISTORY_EVENTS_PER_HOUR = 1500
# ZoneMTA's own waits begin at five minutes; a demo should show a deferred message arrive.
DEFER_TIMES_MS = (15_000, 60_000, 300_000, 900_000)
ZONES = (
    zonemta.Zone(name="default"),
    zonemta.Zone(name="newsletter", sender_domains=("news.example",)),
    zonemta.Zone(name="bounces", connections=2),
)


@dataclass(frozen=True)
class Addresses:
    """Where the pieces answer."""

    web_port: int
    live_port: int

    @property
    def web(self) -> str:
        """The address a person opens."""
        return f"http://{LOOPBACK}:{self.web_port}"

    @property
    def live(self) -> str:
        """The address pages open their socket at."""
        return f"ws://{LOOPBACK}:{self.live_port}/ws/live/"


@dataclass
class Demo:
    """What is known so far while coming up."""

    supervisor: Supervisor
    rate_per_s: float
    addresses: Addresses
    environment: dict[str, str] = field(default_factory=dict)  # of the server's processes
    kept: dict[str, Any] = field(default_factory=dict)  # SECRETS

    def django(self, *arguments: str, **environment: str) -> str:
        """Run a management command; return what it printed. Raise StackError with its words."""
        argv = [sys.executable, "manage.py", *arguments]
        return run_command(arguments[0], argv, {**self.environment, **environment})


def main() -> int:
    """Run the demo as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m build.demo", description=__doc__)
    parser.add_argument("--rate", type=float, default=2.0, help="messages a second (default 2)")
    parser.add_argument("--port", type=int, help="of the pages (default 8000, or one that is free)")
    options = parser.parse_args()

    end_on_signals()
    try:
        with (
            claim.claimed(HOME) as held,
            leaving_no_child(),
            Supervisor(HOME, log_directory=LOGS) as supervisor,
        ):
            try:
                return run(supervisor, held, rate_per_s=options.rate, port=options.port)
            finally:
                say("stopping")
    except AlreadyRunningError as error:
        address = error.said.get("address", "an address it has not got yet: it is starting")
        say(f"the demo runs already, at {address}; `make stop` ends it")
        return 0
    except StackError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def run(supervisor: Supervisor, held: claim.Claim, *, rate_per_s: float, port: int | None) -> int:
    """Start everything, say where it is, and watch it until it is told to stop."""
    started_at = time.monotonic()
    web_port = port or free_port(WEB_PORTS)
    addresses = Addresses(web_port=web_port, live_port=free_port([web_port + 1]))
    demo = Demo(supervisor, rate_per_s, addresses, kept=read_secrets())
    # npm waits for the network while the databases wait for the disk.
    pool = concurrent.futures.ThreadPoolExecutor()
    try:
        packages = [pool.submit(zonemta.install), pool.submit(make_assets)]
        mail_store, redis_port = start_stores(demo)
        prepare_server(demo, packages)
    finally:
        pool.shutdown(wait=False)  # when we are told to stop, npm is ended with the rest
    start_server(demo)
    start_mail(demo, mail_store, redis_port)
    held.say(address=addresses.web)
    print_welcome(demo, seconds=time.monotonic() - started_at)
    return watch(supervisor)


def make_assets() -> None:
    """Make what the pages load from npm packages, if it is not there."""
    run_command("assets", python("build.assets"), {})


def start_stores(demo: Demo) -> tuple[mongodb.MongoDB, int]:
    """Start PostgreSQL, Redis (unless the environment names others) and MongoDB."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "server.config.settings.local",
        "SECRET_KEY": demo.kept["secret_key"],
        "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
        "LIVE_URL": demo.addresses.live,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    # The mail programs' Redis is not the server's when that one is given from outside.
    with step("Redis"):
        private_redis = redis.start(demo.supervisor, HOME)
    environment["REDIS_URL"] = os.environ.get("REDIS_URL", private_redis.url)
    if "DATABASE_URL" in os.environ:
        environment["DATABASE_URL"] = os.environ["DATABASE_URL"]
    else:
        with step("PostgreSQL with TimescaleDB"):
            environment["DATABASE_URL"] = postgres.start(demo.supervisor, HOME).url
    demo.environment |= environment
    with step("MongoDB"):
        return mongodb.start(demo.supervisor, HOME), private_redis.port


def prepare_server(demo: Demo, packages: Sequence[concurrent.futures.Future[None]]) -> None:
    """Bring the database up to date: tables, the user, the agent's key, history; then the files."""
    with step("database tables"):
        demo.django("migrate", "--noinput")
    with step("user and key"):
        make_user(demo)
        make_key(demo)
    with step(f"generated history of {HISTORY_HOURS} hours, labelled as such"):
        demo.environment["DEMO_HISTORY_UNTIL"] = fill_history(demo)
    with step("packages of ZoneMTA and of the pages"):
        for each in packages:
            each.result()
    with step("static files"):
        demo.django("collectstatic", "--noinput", "--verbosity", "0")


def make_user(demo: Demo) -> None:
    """Make the administrator, if there is none yet."""
    options = ["--noinput", "--username", USER, "--email", "admin@example.invalid"]
    try:
        demo.django(
            "createsuperuser", *options, DJANGO_SUPERUSER_PASSWORD=demo.kept["admin_password"]
        )
    except StackError as error:
        if "already taken" not in str(error):
            raise


def make_key(demo: Demo) -> None:
    """Make the agent's key, once for each database."""
    keys = demo.kept.setdefault("api_keys", {})
    database = os.environ.get("DATABASE_URL", "private").rpartition("@")[2]
    if database not in keys:
        options = ["--scope", "agent", "--node", NODE, "--name", "demo"]
        keys[database] = demo.django("create_api_key", *options).strip()
        write_secrets(demo.kept)
    demo.kept["api_key"] = keys[database]


def fill_history(demo: Demo) -> str:
    """Fill the hours before the first start, and later those in which the demo did not run.

    Return the time before which events may be generated ones.
    """
    now = datetime.now(UTC)
    try:
        before: str = json.loads(HISTORY.read_text())["until"]
        away = now - datetime.fromtimestamp(ALIVE.stat().st_mtime, UTC)
    except FileNotFoundError:
        before, away = "", timedelta(hours=HISTORY_HOURS)
    if before and away < timedelta(hours=1):
        return before
    hours = min(HISTORY_HOURS, math.ceil(away / timedelta(hours=1)))
    until = now.isoformat(timespec="seconds")
    demo.django(
        *("fill", "--hours", str(hours), "--until", until, "--seed", "1"),
        *("--events-per-hour", str(HISTORY_EVENTS_PER_HOUR)),
    )
    HISTORY.write_text(json.dumps({"until": until}))
    return until


def start_server(demo: Demo) -> None:
    """Start web, live and worker."""
    addresses = demo.addresses
    granian = [*python("granian"), "--host", LOOPBACK, "--workers", "1", "--interface"]
    web = [
        *(*granian, "wsgi", "--port", str(addresses.web_port), "--blocking-threads", "8"),
        "server.config.wsgi:application",
    ]
    live = [
        *(*granian, "asgi", "--port", str(addresses.live_port)),
        "server.config.asgi:application",
    ]
    worker = [sys.executable, "manage.py", "rundramatiq", "--processes", "1", "--threads", "4"]
    with step("server: web, live, worker"):
        started = [
            spawn_ours(demo, "worker", worker, lambda: True),
            spawn_ours(demo, "web", web, lambda: is_healthy(addresses.web_port)),
            spawn_ours(demo, "live", live, lambda: answers(addresses.live_port)),
        ]
        for program in started:
            program.wait_until_ready()


def spawn_ours(demo: Demo, name: str, argv: list[str], is_ready: Any) -> Running:
    """Start one of the server's processes; it is started again when it ends."""
    program = Program(
        name=name,
        argv=argv,
        environment=demo.environment,
        cwd=ROOT,
        is_ready=is_ready,
        restarts=RESTARTS,
    )
    return demo.supervisor.spawn(program)


def start_mail(demo: Demo, mail_store: mongodb.MongoDB, redis_port: int) -> None:
    """Start the sink, the agent, ZoneMTA with the agent's plugin, and the stream of mail."""
    with step("SMTP sink"):
        receiving = sink.start(demo.supervisor, HOME)
    sockets = socket_directory(HOME / "agent-run")
    with step("agent"):
        start_agent(demo, mail_store, sockets)
    with step("ZoneMTA with the plugin"):
        mta = zonemta.start(
            demo.supervisor,
            HOME,
            mongo_uri=mail_store.uri_of(zonemta.DATABASE),
            redis_port=redis_port,
            sink_port=receiving.port,
            plugin_socket=sockets / "receiver.sock",
            defer_times_ms=DEFER_TIMES_MS,
            zones=ZONES,
            instance_id=NODE,
        )
    with step(f"stream of mail, {demo.rate_per_s:g} messages a second"):
        # A new seed each time: the same addresses again would look like repetitions.
        feeder.start(
            demo.supervisor,
            smtp_port=mta.smtp_port,
            rate_per_s=demo.rate_per_s,
            seed=int(datetime.now(UTC).timestamp()),
        )


def start_agent(demo: Demo, mail_store: mongodb.MongoDB, sockets: Path) -> Running:
    """Start the agent as the node that the demo's ZoneMTA is."""
    home = HOME / "agent"
    home.mkdir(exist_ok=True)
    config = home / "agent.toml"
    config.touch()  # so that a configuration of this machine in /etc is not taken
    program = Program(
        name="agent",
        argv=[*python("agent"), "run"],
        environment={
            "PYTHONPATH": str(ROOT),
            "DASHBOARD_URL": demo.addresses.web,
            "API_KEY": demo.kept["api_key"],
            "NODE_ID": NODE,
            "NODE_ROLE": "zonemta",
            "LOG_LEVEL": "INFO",
            "AGENT_ZONEMTA_MONGODB_URI": mail_store.uri_of(zonemta.DATABASE),
            "AGENT_STATE_DIR": str(home),
            "AGENT_RUNTIME_DIR": str(sockets),
            "AGENT_CONFIG": str(config),
        },
        cwd=home,
        is_ready=lambda: listens(sockets / "receiver.sock"),
        restarts=RESTARTS,
    )
    return demo.supervisor.start(program)


def watch(supervisor: Supervisor) -> int:
    """Name what ends and start ours again; return 1 when all have ended for good."""
    while supervisor.programs:
        ALIVE.touch()
        for running, code, again in supervisor.restart_ended():
            name = running.program.name
            what = "started again" if again else "not started again, the rest goes on"
            say(f"{name} ended with code {code}, {what}; the end of {shown(running.log)}:")
            print(running.log_tail(), file=sys.stderr, flush=True)
        time.sleep(WATCH_EVERY_SECONDS)
    say("nothing runs any more")
    return 1


def print_welcome(demo: Demo, *, seconds: float) -> None:
    """Say where everything is."""
    web, live = demo.addresses.web_port, demo.addresses.live_port
    print(
        f"""
    Mallard is up after {seconds:.0f} s.

      address    {demo.addresses.web}/email-flow/
      user       {USER}
      password   {demo.kept["admin_password"]}

      API        {demo.addresses.web}/api/docs/
      logs       {shown(LOGS)}/
      stop       Ctrl-C here, or `make stop` elsewhere; `make clean` removes all data
      from afar  ssh -L {web}:{LOOPBACK}:{web} -L {live}:{LOOPBACK}:{live} THIS-MACHINE
""",
        flush=True,
    )


def read_secrets() -> dict[str, Any]:
    """Return what only this checkout knows, made at the first call and readable by us alone."""
    if SECRETS.exists():
        kept: dict[str, Any] = json.loads(SECRETS.read_text())
        return kept
    kept = {"secret_key": secrets.token_urlsafe(48), "admin_password": secrets.token_urlsafe(12)}
    write_secrets(kept)
    return kept


def write_secrets(kept: Mapping[str, Any]) -> None:
    """Keep the secrets; a file half written never takes the place of a whole one."""
    SECRETS.parent.mkdir(parents=True, exist_ok=True)
    half_written = SECRETS.with_suffix(".new")
    half_written.unlink(missing_ok=True)
    half_written.touch(mode=0o600)
    half_written.write_text(json.dumps({k: v for k, v in kept.items() if k != "api_key"}))
    half_written.rename(SECRETS)


def run_command(name: str, argv: list[str], environment: Mapping[str, str]) -> str:
    """Run a command to its end and return what it printed on standard output.

    Raise StackError with the end of its log when it fails or takes too long.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
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
            message = f"{name} did not end within {COMMAND_TIMEOUT_SECONDS} s; see {shown(log)}"
            raise StackError(message) from error
        printed = done.stdout.decode(errors="replace")
        if name != "create_api_key":  # that one prints a secret
            output.write(done.stdout)
    if done.returncode != 0:
        message = f"{name} failed; the end of {shown(log)}:\n{tail(log, LOG_TAIL_LINES)}"
        raise StackError(message)
    return printed


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


def listens(path: Path) -> bool:
    """Return whether something takes connections at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(REQUEST_TIMEOUT_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def shown(path: Path) -> str:
    """Return a path as a person in the checkout would type it."""
    return str(path.relative_to(ROOT))


def say(what: str) -> None:
    """Tell the person at the terminal."""
    print(f"mallard: {what}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done, and how long it took when it is."""
    started_at = time.monotonic()
    print(f"mallard: {what} … ", end="", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        print(file=sys.stderr, flush=True)
        raise
    print(f"{time.monotonic() - started_at:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
