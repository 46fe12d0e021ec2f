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
from collections import defaultdict
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any

from build.lab import usage
from build.lab.mail_node import start_mail_node
from build.lab.report import compute_percentile
from build.lab.traffic import INGEST_PATH
from build.package import freeze
from build.stack import agent
from build.stack.errors import StackError
from build.stack.ports import answers
from build.stack.supervisor import temporary_run
from tests.fakes.failing_server import Received, run_fake_server
from tests.fakes.plugin_process import FakePlugin

SETTLE_S = 20.0
SAMPLE_EVERY_S = 5.0
STARTS = 7
START_WITHIN_S = 20.0
FINISH_WITHIN_S = 20.0
KEY = "mlrd_bench"
#: As the plugins are set by default: events of a POST; and the mail program's processes.
BATCH = 50
PROCESSES = 4
BUDGETS = {
    # Two change streams and GELF included; 45 MB with one stream.
    "pss_mb": 50.0,
    "cpu_percent_idle": 0.7,
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
    binary = freeze.freeze(freeze.base_python(), again=False)
    command = agent.command() if options.source else [str(binary.path)]
    received = Received()
    with run_fake_server(received) as url, temporary_run("agent-cost") as supervisor:
        started = agent.start(
            supervisor,
            supervisor.directory,
            server_url=url,
            api_key=KEY,
            environment=start_mail_node(supervisor),
            program=command,
        )
        time.sleep(SETTLE_S)
        idle_percent, idle_mb = measure_phase(started.running.pid, options.seconds)
        p95_ms = compute_collection_p95(received.samples["/api/v1/metrics/agent"])
        payloads = [size for path, size in received.posts if path != INGEST_PATH]
        plan = repeat((BATCH * PROCESSES / options.rate, BATCH))
        plugins = [FakePlugin(started.socket, f"1 {n}", plan) for n in range(PROCESSES)]
        time.sleep(min(SETTLE_S, options.load_seconds / 4))
        loaded_percent, loaded_mb = measure_phase(started.running.pid, options.load_seconds)
        for plugin in plugins:
            plugin.finish(within_s=FINISH_WITHIN_S)
    acknowledged = sum(len(plugin.acknowledged) for plugin in plugins)
    print(f"{acknowledged} events, {len(received.copy_event_ids())} of them at the server")
    print(f"p95 of each source, ms: {json.dumps(p95_ms)}")
    result = {
        "pss_mb": max(idle_mb, loaded_mb),
        "cpu_percent_idle": idle_percent,
        "cpu_percent_1000": loaded_percent,
        "start_s": measure_start_s(command, {"DASHBOARD_URL": url, "API_KEY": KEY}),
        "collect_p95_ms": max(p95_ms.values(), default=0.0),
        "payload_bytes": max(payloads, default=0),
        "binary_bytes": binary.size_bytes,
        "max_glibc": float(freeze.format_version(binary.max_glibc)),
    }
    over = [name for name, budget in BUDGETS.items() if result[name] > budget]
    print(f"over budget: {', '.join(over) or 'nothing'}")
    print(json.dumps(result), flush=True)
    return 1 if over else 0


def measure_phase(pid: int, seconds: float) -> tuple[float, float]:
    """Return CPU in percent, and the largest memory in MB."""
    cpu_s, started_s, pss_mb = usage.read_cpu_s(pid), time.monotonic(), 0.0
    while (left_s := started_s + seconds - time.monotonic()) > 0:
        time.sleep(min(left_s, SAMPLE_EVERY_S))
        pss_mb = max(pss_mb, usage.read_pss_mb(pid))
    took_s = time.monotonic() - started_s
    return round(100 * (usage.read_cpu_s(pid) - cpu_s) / took_s, 2), round(pss_mb, 1)


def measure_start_s(command: list[str], environment: dict[str, str]) -> float:
    """Return the median time until the receiver answers, unpacking included."""
    times = []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory(prefix="ml-") as name:
            config = Path(name, "agent.toml")
            config.touch()
            own = {"AGENT_STATE_DIR": name, "AGENT_RUNTIME_DIR": name, "AGENT_CONFIG": str(config)}
            env = {**os.environ, **environment, **own}
            started_s = time.monotonic()
            with subprocess.Popen([*command, "run"], env=env, stderr=subprocess.DEVNULL) as child:
                while not answers(Path(name, "receiver.sock")):
                    if child.poll() is not None or time.monotonic() > started_s + START_WITHIN_S:
                        raise StackError("The agent did not start.")
                    time.sleep(0.002)
                times.append(time.monotonic() - started_s)
                child.terminate()
    return round(median(times), 3)


def compute_collection_p95(samples: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Return the 95th percentile of the agent's own times by source, in ms."""
    times: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        for source in sample["agent"]["sources"]:
            if source.get("is_on") and source.get("last_ms") is not None:
                times[source["name"]].append(source["last_ms"])
    return {name: compute_percentile(its, 0.95) or 0.0 for name, its in times.items()}
