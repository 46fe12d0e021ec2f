"""The frozen agent: CPU, memory, start and payloads.

Idle and under load, with all its sources, against the design's budgets; beside MongoDB, Redis,
ZoneMTA, Haraka, WildDuck and Rspamd, where they can be had. CPU is time of the processor, so that
other work on the machine changes it little; times by the clock it does change.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from build.lab import usage
from build.lab.fake_plugin import FakePlugin
from build.lab.fake_server import Received, run_fake_server
from build.lab.report import compute_percentile, report_progress
from build.lab.traffic import INGEST_PATH
from build.package import freeze
from build.stack import agent, haraka, mongodb, redis, rspamd, sink, wildduck, zonemta
from build.stack.errors import StackError
from build.stack.ports import LOOPBACK
from build.stack.supervisor import Supervisor

SETTLE_S = 20.0
SAMPLE_EVERY_S = 5.0
STARTS = 7
START_WITHIN_S = 20.0
FINISH_WITHIN_S = 20.0
KEY = "mlrd_bench"
USERS = 50  # of WildDuck, so that there is something to count
#: As the plugins are set by default: events of a POST; and the mail program's processes.
BATCH = 50
PROCESSES = 4
BUDGETS = {
    "pss_mb": 45.0,
    "cpu_percent_idle": 0.5,
    "cpu_percent_1000": 10.0,
    "start_s": 0.5,
    "collect_p95_ms": 100.0,
    "payload_bytes": 2000,
    "max_glibc": 2.35,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=300.0, help="of being idle")
    parser.add_argument("--load-seconds", type=float, default=60.0, help="of load")
    parser.add_argument("--rate", type=float, default=1000.0, help="events a second")
    parser.add_argument("--source", action="store_true", help="run the source, not the binary")


def run(options: argparse.Namespace) -> int:
    """Measure; return 1 when a budget is exceeded."""
    binary = freeze.freeze(freeze.base_python(), again=False)
    print(
        f"{binary.size_bytes / 1e6:.1f} MB, glibc {freeze.format_version(binary.max_glibc)}",
        flush=True,
    )
    command = agent.command() if options.source else [str(binary.path)]
    received = Received()
    with (
        tempfile.TemporaryDirectory(prefix="mallard-bench-") as name,
        run_fake_server(received) as url,
        Supervisor(Path(name)) as supervisor,
    ):
        environment = start_mail_node(supervisor)
        started = agent.start(
            supervisor,
            supervisor.directory,
            server_url=url,
            api_key=KEY,
            environment=environment,
            program=command,
        )
        time.sleep(SETTLE_S)
        idle_percent, idle_mb = measure_phase("idle", started.running.pid, options.seconds)
        payload = max((size for path, size in received.posts if path != INGEST_PATH), default=0)
        times = read_collection_times(received.samples)
        sizes: dict[str, int] = {}
        for path, size in received.posts:
            sizes[path] = max(sizes.get(path, 0), size)
        pause_s = BATCH * PROCESSES / options.rate
        plugins = [
            FakePlugin(started.socket, f"1 {n}", lambda _: BATCH, lambda _: pause_s)
            for n in range(PROCESSES)
        ]
        time.sleep(min(SETTLE_S, options.load_seconds / 4))
        label = f"{options.rate:.0f} events/s"
        percent, mb = measure_phase(label, started.running.pid, options.load_seconds)
        for plugin in plugins:
            plugin.finish(within_s=FINISH_WITHIN_S)
    acknowledged = sum(len(plugin.acknowledged) for plugin in plugins)
    event_bytes = sum(plugin.sent_bytes for plugin in plugins) // max(1, acknowledged)
    failures = sum(plugin.failures for plugin in plugins)
    print(
        f"    {acknowledged} events of {event_bytes} bytes acknowledged, {failures} POSTs failed,"
        f" {len(received.copy_event_ids())} at the server"
    )
    first_s, start_s = measure_starts(command, {"DASHBOARD_URL": url, "API_KEY": KEY})
    print(f"start: {start_s:.3f} s, {first_s:.3f} s the first time (unpacks)")
    for source, (p95, longest) in sorted(times.items()):
        print(f"collecting {source:<10} p95 {p95:6.1f} ms, longest {longest:6.1f} ms")
    for path, size in sorted(sizes.items()):
        print(f"payload {path:<28} {size:6d} bytes at most on the wire")
    result = {
        "pss_mb": round(max(idle_mb, mb), 1),
        "cpu_percent_idle": round(idle_percent, 2),
        "cpu_percent_1000": round(percent, 2),
        "start_s": round(start_s, 3),
        "collect_p95_ms": round(max((p95 for p95, _ in times.values()), default=0.0), 1),
        "payload_bytes": payload,
        "binary_bytes": binary.size_bytes,
        "max_glibc": float(freeze.format_version(binary.max_glibc)),
    }
    over = [name for name, budget in BUDGETS.items() if result[name] > budget]
    print(f"over budget: {', '.join(over)}" if over else "within every budget")
    print(json.dumps(result), flush=True)
    return 1 if over else 0


def start_mail_node(supervisor: Supervisor) -> dict[str, str]:
    """Start the mail programs, their plugins pointed at the agent to come; return its settings."""
    directory = supervisor.directory
    plugin_socket = agent.receiver_socket(directory)
    keys = redis.start(supervisor, directory)
    documents = mongodb.start(supervisor, directory)
    sink_port = sink.start(supervisor, directory).port
    settings = {}
    scan_port = None
    try:
        scanner = rspamd.start(supervisor, directory, redis_port=keys.port)
        scan_port = scanner.scan_port
        settings["AGENT_DISCOVERY_RSPAMD_URL"] = f"http://{LOOPBACK}:{scanner.controller_port}"
    except StackError as error:
        report_progress(f"without Rspamd: {error}")
    zonemta_uri = documents.uri_of(zonemta.DATABASE)
    mta = zonemta.start(
        supervisor,
        directory,
        mongo_uri=zonemta_uri,
        redis_port=keys.port,
        sink_port=sink_port,
        plugin_socket=plugin_socket,
    )
    haraka.start(
        supervisor,
        directory,
        sink_port=sink_port,
        redis_port=keys.port,
        rspamd_port=scan_port,
        plugin_socket=plugin_socket,
    )
    wildduck_uri = documents.uri_of(wildduck.DATABASE)
    mailboxes = wildduck.start(supervisor, directory, mongo_uri=wildduck_uri, redis_port=keys.port)
    for n in range(USERS):
        # Without a password: hashing it would take longer than all the rest.
        account = {"username": f"user{n}", "password": False, "quota": (n + 1) * 1_000_000}
        if not mailboxes.post("/users", account).get("success"):
            raise StackError(f"WildDuck accepted {n} of {USERS} users.")
    print(f"watching {', '.join(p.program.name for p in supervisor.programs)}", flush=True)
    return settings | {
        "NODE_ROLE": "zonemta haraka wildduck rspamd redis mongodb",
        "AGENT_ZONEMTA_MONGODB_URI": zonemta_uri,
        "AGENT_DISCOVERY_REDIS_URL": keys.url,
        "AGENT_DISCOVERY_ZONEMTA_API_URL": f"http://{LOOPBACK}:{mta.api_port}",
        "AGENT_DISCOVERY_WILDDUCK_API_URL": mailboxes.api_url,
        "AGENT_DISCOVERY_WILDDUCK_METRICS_URL": mailboxes.metrics_url,
        "AGENT_DISCOVERY_WILDDUCK_TOKEN": mailboxes.token,
        "AGENT_DISCOVERY_WILDDUCK_MONGODB_URI": wildduck_uri,
        # Every five minutes otherwise, which would be once or never in what is measured.
        "AGENT_INTERVALS_WILDDUCK_S": "60",
    }


def measure_phase(name: str, pid: int, seconds: float) -> tuple[float, float]:
    """Watch a process for so long; print its cost and its threads'; return CPU percent and MB."""
    cpu_s, (threads, wakeups) = usage.read_cpu_s(pid), usage.read_threads(pid)
    started_s, pss_bytes = time.monotonic(), 0.0
    while (left_s := started_s + seconds - time.monotonic()) > 0:
        time.sleep(min(left_s, SAMPLE_EVERY_S))
        pss_bytes = max(pss_bytes, usage.read_pss_bytes(pid))
    took_s = time.monotonic() - started_s
    threads_after, wakeups_after = usage.read_threads(pid)
    cpu_percent, pss_mb = 100 * (usage.read_cpu_s(pid) - cpu_s) / took_s, pss_bytes / usage.MB
    print(
        f"{name}, {took_s:.0f} s: {cpu_percent:.2f} % of a core,"
        f" {pss_mb:.1f} MB PSS, {(wakeups_after - wakeups) / took_s:.1f} wake-ups/s"
    )
    for thread, used_s in sorted(threads_after.items(), key=lambda item: -item[1]):
        percent = 100 * (used_s - threads.get(thread, 0.0)) / took_s
        if percent >= 0.005:  # noqa: PLR2004 (less would be printed as nothing)
            print(f"    {thread:<16} {percent:.3f} %")
    return cpu_percent, pss_mb


def measure_starts(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Return how long the first start took, which unpacks, and the median of the next ones: from
    the call until the receiver answers."""
    times = []
    for _ in range(STARTS + 1):
        with tempfile.TemporaryDirectory(prefix="ml-") as name:
            home = Path(name)
            (home / "agent.toml").touch()
            env = {
                **os.environ,
                **environment,
                "AGENT_STATE_DIR": name,
                "AGENT_RUNTIME_DIR": name,
                "AGENT_CONFIG": str(home / "agent.toml"),
            }
            started_s = time.monotonic()
            with subprocess.Popen([*command, "run"], env=env, stderr=subprocess.DEVNULL) as child:
                while not agent.listens(home / "receiver.sock"):
                    if child.poll() is not None or time.monotonic() > started_s + START_WITHIN_S:
                        raise StackError("The agent did not start.")
                    time.sleep(0.002)
                times.append(time.monotonic() - started_s)
                child.terminate()
    first, *others = times
    return first, sorted(others)[len(others) // 2]


def read_collection_times(samples: Mapping[str, list[Any]]) -> dict[str, tuple[float, float]]:
    """Return of each source the 95th percentile and the longest of its collections, in ms, as the
    agent itself reports them."""
    last: dict[str, list[float]] = {}
    longest: dict[str, float] = {}
    for sample in samples.get("/api/v1/metrics/agent", []):
        for source in sample["agent"]["sources"]:
            if source.get("is_on") and source.get("last_ms") is not None:
                last.setdefault(source["name"], []).append(source["last_ms"])
                longest[source["name"]] = source["max_ms"]
    return {
        name: (compute_percentile(times, 0.95) or 0.0, longest[name])
        for name, times in last.items()
    }
