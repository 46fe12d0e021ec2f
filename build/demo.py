"""`python -m build.demo` (`make demo`): all of Mallard on this machine, with real mail.

Starts what build/stack has, then the server, the agent and a stream of mail, and watches them
until Ctrl-C: what ends is named with the last lines of its log, and our own programs are started
again, a few times.
"""

import argparse
import concurrent.futures
import contextlib
import json
import math
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from build.stack import agent, claim, feeder, mongodb, postgres, redis, server, sink, zonemta
from build.stack.errors import AlreadyRunningError, StackError
from build.stack.paths import LOGS, ROOT, RUN
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Supervisor, end_on_signals, leaving_no_child, python

HOME = RUN / "demo"
SECRETS = HOME / "secrets.json"  # beside the data they belong to
HISTORY = HOME / "history.json"
ALIVE = HOME / "alive"  # touched while the demo runs: tells the next start how long it did not

USER = "admin"
NODE = "mta-01"
WEB_PORTS = range(8000, 8100, 10)
WATCH_EVERY_SECONDS = 1.0
RESTARTS = 5
HISTORY_HOURS = 25  # the chart begins with a whole quarter of an hour
# About what the stream of mail gives, so that the chart has no step where it begins.
HISTORY_EVENTS_PER_HOUR = 8_000
# ZoneMTA's own waits begin at five minutes; a demo should show a deferred message arrive.
DEFER_TIMES_MS = (15_000, 60_000, 300_000, 900_000)
ZONES = (
    zonemta.Zone(name="default"),
    zonemta.Zone(name="newsletter", sender_domains=("news.example",)),
    zonemta.Zone(name="bounces", connections=2),
)


@dataclass
class Demo:
    """What is known while coming up: how much mail, where the server is, what is kept secret."""

    supervisor: Supervisor
    rate_per_s: float
    site: server.Site
    kept: dict[str, Any]


def main() -> int:
    """Run the demo as the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m build.demo", description=__doc__)
    parser.add_argument("--rate", type=float, default=1.0, help="messages a second (default 1)")
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
    # npm waits for the network while the databases wait for the disk.
    pool = concurrent.futures.ThreadPoolExecutor()
    try:
        mail_packages, assets = pool.submit(zonemta.install), pool.submit(make_assets)
        demo, mail_store, redis_port = start_stores(supervisor, rate_per_s=rate_per_s, port=port)
        files = pool.submit(collect_files, demo.site, assets)
        prepare_database(demo)
        with step("packages of ZoneMTA and of the pages"):
            mail_packages.result()
            files.result()
    finally:
        pool.shutdown(wait=False)  # when we are told to stop, npm is ended with the rest
    with step("server: web, live, worker"):
        server.start(supervisor, demo.site, restarts=RESTARTS)
    start_mail(demo, mail_store, redis_port)
    address = f"http://{LOOPBACK}:{demo.site.web_port}"
    held.say(address=address)
    print_welcome(demo, address=address, seconds=time.monotonic() - started_at)
    return watch(supervisor, stop_asked())


def make_assets() -> None:
    """Make what the pages load from npm packages, if it is not there."""
    server.run_command("assets", python("build.assets"), environment={}, logs=LOGS)


def start_stores(
    supervisor: Supervisor, *, rate_per_s: float, port: int | None
) -> tuple[Demo, mongodb.MongoDB, int]:
    """Start MongoDB, and Redis and PostgreSQL unless the environment names others.

    Return the demo, the MongoDB and the port of the Redis for the mail programs: always ours, as
    the server's may have a password or not be on this machine.
    """
    with step("Redis"):
        mail_redis = redis.start(supervisor, HOME)
    database_url = os.environ.get("DATABASE_URL")
    if database_url is None:
        with step("PostgreSQL with TimescaleDB"):
            database_url = postgres.start(supervisor, HOME).url
    with step("MongoDB"):
        mail_store = mongodb.start(supervisor, HOME)
    kept = read_secrets()
    web_port = port or free_port(WEB_PORTS)
    site = server.Site(
        database_url=database_url,
        redis_url=os.environ.get("REDIS_URL", mail_redis.url),
        logs=LOGS,
        secret_key=kept["secret_key"],
        web_port=web_port,
        live_port=free_port([web_port + 1]),
    )
    return Demo(supervisor, rate_per_s, site, kept), mail_store, mail_redis.port


def collect_files(site: server.Site, assets: concurrent.futures.Future[None]) -> None:
    """Put what the pages load where the web process serves it, once the assets are made."""
    assets.result()
    site.manage("collectstatic", "--noinput", "--verbosity", "0")


def prepare_database(demo: Demo) -> None:
    """Bring the database up to date: tables, the user, the agent's key, history."""
    with step("database tables"):
        demo.site.manage("migrate", "--noinput")
    with step("user and key"):
        demo.site.make_user(USER, demo.kept["admin_password"])
        make_key(demo)
    with step(f"generated history of {HISTORY_HOURS} hours, labelled as such"):
        demo.site.more["DEMO_HISTORY_UNTIL"] = fill_history(demo)


def database_name() -> str:
    """Tell the private database from those the environment may name."""
    return os.environ.get("DATABASE_URL", "private").rpartition("@")[2]


def make_key(demo: Demo) -> None:
    """Make the agent's key, once for each database."""
    keys = demo.kept.setdefault("api_keys", {})
    database = database_name()
    if database not in keys:
        options = ["--scope", "agent", "--node", NODE, "--name", "demo"]
        keys[database] = demo.site.manage("create_api_key", *options).strip()
        write_secrets(demo.kept)
    demo.kept["api_key"] = keys[database]


def fill_history(demo: Demo) -> str:
    """Fill the hours before the first start, and later those in which the demo did not run.

    Return the time before which events may be generated ones.
    """
    now = datetime.now(UTC)
    before, away = "", timedelta(hours=HISTORY_HOURS)
    with contextlib.suppress(FileNotFoundError):
        noted = json.loads(HISTORY.read_text())
        if noted.get("database") == database_name():
            before = noted["until"]
            away = now - datetime.fromtimestamp(ALIVE.stat().st_mtime, UTC)
    if before and away < timedelta(hours=1):
        return before
    hours = min(HISTORY_HOURS, math.ceil(away / timedelta(hours=1)))
    until = now.isoformat(timespec="seconds")
    demo.site.manage(
        *("fill", "--hours", str(hours), "--until", until, "--seed", "1"),
        *("--events-per-hour", str(HISTORY_EVENTS_PER_HOUR)),
    )
    HISTORY.write_text(json.dumps({"until": until, "database": database_name()}))
    return until


def start_mail(demo: Demo, mail_store: mongodb.MongoDB, redis_port: int) -> None:
    """Start the sink, the agent, ZoneMTA with the agent's plugin, and the stream of mail."""
    with step("SMTP sink"):
        receiving = sink.start(demo.supervisor, HOME)
    api_port = free_port()
    with step("agent"):
        watching = agent.start(
            demo.supervisor,
            HOME,
            server_url=f"http://{LOOPBACK}:{demo.site.web_port}",
            api_key=demo.kept["api_key"],
            node=NODE,
            mongo_uri=mail_store.uri_of(zonemta.DATABASE),
            environment={
                "AGENT_DISCOVERY_ZONEMTA_API_URL": f"http://{LOOPBACK}:{api_port}",
                "AGENT_DISCOVERY_ZONEMTA_INSTANCE": NODE,
                "AGENT_DISCOVERY_REDIS_URL": f"redis://{LOOPBACK}:{redis_port}",
            },
            restarts=RESTARTS,
        )
    with step("ZoneMTA with the plugin"):
        mta = zonemta.start(
            demo.supervisor,
            HOME,
            mongo_uri=mail_store.uri_of(zonemta.DATABASE),
            redis_port=redis_port,
            sink_port=receiving.port,
            plugin_socket=watching.socket,
            defer_times_ms=DEFER_TIMES_MS,
            zones=ZONES,
            instance_id=NODE,
            api_port=api_port,
        )
    with step(f"stream of mail, {demo.rate_per_s:g} messages a second"):
        # A new seed each time: the same addresses again would look like repetitions.
        feeder.start(
            demo.supervisor,
            smtp_port=mta.smtp_port,
            rate_per_s=demo.rate_per_s,
            seed=int(datetime.now(UTC).timestamp()),
        )


def stop_asked() -> threading.Event:
    """Return an event that Ctrl-C, SIGTERM and SIGHUP set from now on: the ways to end a demo."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())
    return asked


def watch(supervisor: Supervisor, stop: threading.Event) -> int:
    """Name what ends and start ours again, until `stop`; return 1 when something stayed ended."""
    code = 0
    while supervisor.programs and not stop.wait(WATCH_EVERY_SECONDS):
        ALIVE.touch()
        for ended in supervisor.restart_ended():
            then = "started again" if ended.started_again else "not started again, the rest goes on"
            say(
                f"{ended.name} ended with code {ended.code}, {then}; the end of {shown(ended.log)}:"
            )
            print(ended.log_tail, file=sys.stderr, flush=True)
            code = code if ended.started_again else 1
    return code


def print_welcome(demo: Demo, *, address: str, seconds: float) -> None:
    """Say where everything is."""
    web, live = demo.site.web_port, demo.site.live_port
    print(
        f"""
    Mallard is up after {seconds:.0f} s.

      address    {address}/
      user       {USER}
      password   {demo.kept["admin_password"]}

      API        {address}/api/docs/
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
