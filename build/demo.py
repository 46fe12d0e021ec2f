"""`python -m build.demo` (`make demo`): all of Mallard on this machine, with real mail.

Starts the programs of build/stack, the server, the agent and a stream of mail, and watches them
until Ctrl-C: one that ends is named with the last lines of its log, and our own programs are
started again, a few times.
"""

import argparse
import json
import math
import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from build import incidents
from build.stack import agent, claim, feeder, mongodb, postgres, redis, server, sink, zonemta
from build.stack.command import report_progress, run, run_main, step
from build.stack.errors import AlreadyRunningError
from build.stack.packages import install_program
from build.stack.paths import LOGS, ROOT, RUN, read_secrets, write_file
from build.stack.ports import LOOPBACK, free_port
from build.stack.redis import Redis
from build.stack.supervisor import Supervisor, leaving_no_child, python

HOME = RUN / "demo"
WELCOME = Path(__file__).with_name("demo-welcome.txt")
SECRETS = HOME / "secrets.json"  # beside the data they belong to
ALIVE = HOME / "alive"  # touched while the demo runs: its age is how long the demo was down
#: The private database, or that of the environment: each has its own key and history.
DATABASE = os.environ.get("DATABASE_URL", "private").rpartition("@")[2]

USER = "admin"
NODE = zonemta.INSTANCE
RATE_PER_S, INCIDENT_RATE_PER_S = 1.0, 3.0
WEB_PORTS = range(8000, 8100, 10)
WATCH_EVERY_SECONDS = 1.0
RESTARTS = 5
HISTORY_HOURS = 25  # the chart begins with a full quarter of an hour
# About as many as the stream of mail gives, so that the chart has no step where it begins.
HISTORY_EVENTS_PER_HOUR = 8_000
# ZoneMTA's own waits begin at five minutes; a demo should show a deferred message arrive.
DEFER_TIMES_MS = (15_000, 60_000, 300_000, 900_000)
ZONES = {**zonemta.DEFAULT_ZONES, "newsletter": {"senderDomains": ["news.example"]}}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m build.demo", description=__doc__)
    rate = "messages a second (default 1; 3 with an incident)"
    parser.add_argument("--rate", type=float, help=rate)
    parser.add_argument("--port", type=int, help="of the pages (default 8000, or one that is free)")
    words = "act one, and watch it from pending to all-clear"
    parser.add_argument("--incident", choices=sorted(incidents.INCIDENTS), help=words)
    options = parser.parse_args()
    try:
        with (
            claim.claim_directory(HOME) as held,
            leaving_no_child(),
            Supervisor(HOME, log_directory=LOGS) as supervisor,
        ):
            try:
                return run_demo(supervisor, held, options)
            finally:
                report_progress("mallard: stopping")
    except AlreadyRunningError as error:
        address = error.note.get("address", "an address it has not got yet: it is starting")
        report_progress(f"mallard: the demo runs already, at {address}; `make stop` ends it")
        return 0


def run_demo(supervisor: Supervisor, held: claim.Claim, options: argparse.Namespace) -> int:
    incident = options.incident
    started_at = time.monotonic()
    stored = read_secrets(SECRETS, secret_key=48, admin_password=12)
    # npm waits for the network while the databases wait for the disk.
    pool = ThreadPoolExecutor()
    try:
        packages: list[Future[Any]] = [
            pool.submit(install_program, "zonemta"),
            pool.submit(run, python("build.package.assets")),
        ]
        with step("Redis"):
            # Always ours for the mail programs: the server's may have a password or be elsewhere.
            mail_redis = redis.start(supervisor, HOME)
        database_url = os.environ.get("DATABASE_URL")
        if database_url is None:
            with step("PostgreSQL with TimescaleDB"):
                database_url = postgres.start(supervisor, HOME).url
        redis_url = os.environ.get("REDIS_URL", mail_redis.url)
        web_port = options.port or free_port(WEB_PORTS)
        live_port = free_port([web_port + 1])
        site = server.Site(database_url, redis_url, LOGS, stored["secret_key"], web_port, live_port)
        with step("MongoDB"):
            mongo_uri = mongodb.start(supervisor, HOME).uri_of(zonemta.DATABASE)
        packages.append(pool.submit(site.make_assets))
        with step("database tables"):
            site.manage("migrate", "--noinput")
        with step("user and key"):
            site.make_user(USER, stored["admin_password"])
            api_key = make_key(site, stored, "--scope", "agent", "--node", NODE, "--name", "demo")
        incidents.prepare(site, incident, HOME / "rules")
        with step(f"generated history of {HISTORY_HOURS} hours, labelled as such"):
            site.more["DEMO_HISTORY_UNTIL"] = fill_history(site, stored)
        with step("packages of ZoneMTA and of the pages"):
            for future in packages:
                future.result()
    finally:
        pool.shutdown(wait=False)  # when the demo is stopped, npm is ended with the rest
    with step("server: web, live, worker"):
        address = server.start(supervisor, site, restarts=RESTARTS).url
    smtp_port, stage = start_mail(
        supervisor, mongo_uri, mail_redis, incident, address=address, api_key=api_key
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    # A new seed each time: the same addresses again would look like repetitions.
    rate_per_s = options.rate or (INCIDENT_RATE_PER_S if incident else RATE_PER_S)
    stream = {"port": smtp_port, "rate_per_s": rate_per_s, "seed": int(time.time())}
    threading.Thread(target=feeder.feed, args=[stop], kwargs=stream, daemon=True).start()
    held.write_note(address=address)
    welcome = WELCOME.read_text().format(
        seconds=time.monotonic() - started_at,
        address=address,
        user=USER,
        password=stored["admin_password"],
        logs=LOGS.relative_to(ROOT),
        web=f"{web_port}:{LOOPBACK}:{web_port}",
        live=f"{live_port}:{LOOPBACK}:{live_port}",
    )
    print(welcome, flush=True)
    if incident:
        key = make_key(site, stored, "--scope", "read", "--name", "incident", of=f"read {DATABASE}")
        acted = {"address": address, "key": key, "stop": stop}
        threading.Thread(target=incidents.act, args=[incident, stage], kwargs=acted).start()
    return watch(supervisor, stop)


def make_key(site: server.Site, stored: dict[str, Any], *options: str, of: str = DATABASE) -> str:
    """Return a key, made once for each database."""
    keys: dict[str, str] = stored.setdefault("api_keys", {})
    if of not in keys:
        keys[of] = site.manage("create_api_key", *options).strip()
        write_file(SECRETS, json.dumps(stored).encode())
    return keys[of]


def fill_history(site: server.Site, stored: dict[str, Any]) -> str:
    """Fill the hours before the first start, and later those in which the demo did not run.

    Return the time before which events may be generated ones.
    """
    ends: dict[str, str] = stored.setdefault("history_until", {})
    now, away = datetime.now(UTC), timedelta(hours=HISTORY_HOURS)
    before = ends.get(DATABASE, "")
    if before and ALIVE.exists():
        away = now - datetime.fromtimestamp(ALIVE.stat().st_mtime, UTC)
    if before and away < timedelta(hours=1):
        return before
    hours = min(HISTORY_HOURS, math.ceil(away / timedelta(hours=1)))
    until = now.isoformat(timespec="seconds")
    words = ("--hours", str(hours), "--until", until, "--seed", "1")
    site.manage("fill", *words, "--events-per-hour", str(HISTORY_EVENTS_PER_HOUR))
    ends[DATABASE] = until
    write_file(SECRETS, json.dumps(stored).encode())
    return until


def start_mail(
    supervisor: Supervisor,
    mongo_uri: str,
    mail_redis: Redis,
    incident: str | None,
    *,
    address: str,
    api_key: str,
) -> tuple[int, incidents.Stage]:
    """Start the sink, the agent, and ZoneMTA with the agent's plugin, as an incident needs them;
    return ZoneMTA's SMTP port, and what an incident is acted on."""
    acted = incidents.INCIDENTS.get(incident or "")
    with step("SMTP sink"):
        receiving = sink.start(supervisor)
    api_port = free_port()
    with step("agent"):
        watching = agent.start(
            supervisor,
            HOME,
            server_url=address,
            api_key=api_key,
            node=NODE,
            mongo_uri=mongo_uri,
            environment={
                "AGENT_DISCOVERY_ZONEMTA_API_URL": f"http://{LOOPBACK}:{api_port}",
                "AGENT_DISCOVERY_ZONEMTA_INSTANCE": NODE,
                "AGENT_DISCOVERY_REDIS_URL": mail_redis.url,
                **(incidents.OFTEN if acted else {}),
            },
            program=incidents.agent_program(incident, HOME),
            restarts=RESTARTS,
        )
    with step("ZoneMTA with the plugin"):
        mta = zonemta.start(
            supervisor,
            HOME,
            mongo_uri=mongo_uri,
            redis_port=mail_redis.port,
            sink_port=receiving.port,
            plugin_socket=watching.socket,
            defer_times_ms=acted.defer_times_ms
            if acted and acted.defer_times_ms
            else DEFER_TIMES_MS,
            zones={**ZONES, **(acted.zones if acted else {})},
            api_port=api_port,
        )
    return mta.smtp_port, incidents.Stage(sink=receiving, agent=watching)


def watch(supervisor: Supervisor, stop: threading.Event) -> int:
    """Report programs that end and start ours again, until `stop`; return 1 if one stayed ended."""
    code = 0
    while supervisor.programs and not stop.wait(WATCH_EVERY_SECONDS):
        ALIVE.touch()
        for ended in supervisor.restart_ended():
            then = "started again" if ended.started_again else "not started again, the rest goes on"
            event = f"{ended.running.program.name} ended with code {ended.code}, {then}"
            log = ended.running.log.relative_to(ROOT)
            report_progress(f"mallard: {event}; the end of {log}:\n{ended.log_tail}")
            code = code if ended.started_again else 1
    return code


if __name__ == "__main__":
    run_main(main)
