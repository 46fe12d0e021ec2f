"""`python -m build.bench_agent`: the frozen agent with all its sources on, idle and under load.

Against real programs: MongoDB, Redis, ZoneMTA, Haraka, WildDuck and Rspamd, where they can be had
here. The last line of standard output is JSON. CPU is time of the processor, so that other work on
the machine changes it little; times by the clock it does change.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from build import freeze
from build.bench_agent import programs, usage
from build.bench_agent.door import EVENTS, Door, opened
from build.bench_agent.plugins import Load
from build.stack import agent
from build.stack.errors import StackError
from build.stack.supervisor import Running, Supervisor, end_on_signals

SETTLE_S = 20.0
STARTS = 7
START_WITHIN_S = 20.0
KEY = "mlrd_bench"
BUDGETS = {
    "pss_mb": 45.0,
    "cpu_percent_idle": 0.5,
    "cpu_percent_1000": 10.0,
    "start_s": 0.5,
    "collect_p95_ms": 100.0,
    "payload_bytes": 2000,
    "max_glibc": 2.35,
}


@dataclass
class Phase:
    """What one stretch of time took."""

    seconds: float
    cpu_percent: float
    pss_mb: float
    wakeups_per_s: float
    threads: dict[str, float] = field(default_factory=dict)  # percent of a core by name


def measured(pid: int, seconds: float) -> Phase:
    """Look at a process for so long."""
    before, threads_before = usage.cpu_s(pid), usage.thread_cpu_s(pid)
    woken, started_s = usage.wakeups(pid), time.monotonic()
    most_mb, end_s = 0.0, started_s + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(left_s, 5.0))
        most_mb = max(most_mb, usage.pss_mb(pid))
    took_s = time.monotonic() - started_s
    return Phase(
        seconds=took_s,
        cpu_percent=100 * (usage.cpu_s(pid) - before) / took_s,
        pss_mb=most_mb,
        wakeups_per_s=(usage.wakeups(pid) - woken) / took_s,
        threads={
            name: 100 * (spent - threads_before.get(name, 0.0)) / took_s
            for name, spent in usage.thread_cpu_s(pid).items()
        },
    )


def start_times_s(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
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
                "AGENT_STATE_DIR": str(home),
                "AGENT_RUNTIME_DIR": str(home),
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


@contextmanager
def running(binary: Path, *, source: bool) -> Iterator[tuple[Running, Door, Path, list[str]]]:
    """Give a running agent with everything it can watch here, and where it reports."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mallard-bench-")))
        door = stack.enter_context(opened())
        supervisor = stack.enter_context(Supervisor(directory))
        listening = agent.receiver_socket(directory)
        watched = programs.start(supervisor, directory, plugin_socket=listening)
        started = agent.start(
            supervisor,
            directory,
            server_url=door.url,
            api_key=KEY,
            environment=watched.environment,
            program=None if source else [binary],
        )
        yield started.running, door, listening, watched.names


def report(name: str, phase: Phase) -> None:
    """Print what a phase took, thread by thread."""
    print(
        f"{name}, {phase.seconds:.0f} s: {phase.cpu_percent:.2f} % of a core,"
        f" {phase.pss_mb:.1f} MB PSS, {phase.wakeups_per_s:.1f} wake-ups/s"
    )
    for thread, percent in sorted(phase.threads.items(), key=lambda item: -item[1]):
        if percent >= 0.005:  # noqa: PLR2004 (what would be printed as nothing)
            print(f"    {thread:<16} {percent:.3f} %")


def collection_times(samples: Mapping[str, list[Any]]) -> dict[str, tuple[float, float]]:
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
        name: (sorted(times)[min(int(len(times) * 0.95), len(times) - 1)], longest[name])
        for name, times in last.items()
    }


def main() -> int:
    """Measure; return 1 when a budget is not kept."""
    parser = argparse.ArgumentParser(prog="python -m build.bench_agent", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="of being idle")
    parser.add_argument("--load-seconds", type=float, default=60.0, help="of load")
    parser.add_argument("--rate", type=float, default=1000.0, help="events a second")
    parser.add_argument("--source", action="store_true", help="run the source, not the binary")
    options = parser.parse_args()
    end_on_signals()
    try:
        return _measure(options)
    except StackError as error:
        print(f"mallard: {error}")
        return 1


def _measure(options: argparse.Namespace) -> int:
    binary = freeze.freeze(freeze.base_python(), again=False)
    print(f"{binary.size_bytes / 1e6:.1f} MB, glibc {freeze.dotted(binary.max_glibc)}", flush=True)
    with running(binary.path, source=options.source) as (process, door, listening, names):
        print(f"watching {', '.join(names)}", flush=True)
        time.sleep(SETTLE_S)
        idle = measured(process.pid, options.seconds)
        payload = max((size for path, size in door.posts if path != EVENTS), default=0)
        times = collection_times(door.samples)
        sizes: dict[str, int] = {}
        for path, size in door.posts:
            sizes[path] = max(sizes.get(path, 0), size)
        report("idle", idle)
        load = Load(listening, rate=options.rate)
        load.start()
        time.sleep(min(SETTLE_S, options.load_seconds / 4))
        loaded = measured(process.pid, options.load_seconds)
        load.stop()
        report(f"{options.rate:.0f} events/s", loaded)
        print(
            f"    {load.acknowledged} events of {load.event_bytes} bytes acknowledged,"
            f" {load.failures} POSTs failed, {door.events} at the server"
        )
    command = agent.command() if options.source else [str(binary.path)]
    first_s, start_s = start_times_s(command, {"DASHBOARD_URL": door.url, "API_KEY": KEY})
    print(f"start: {start_s:.3f} s, {first_s:.3f} s the first time (unpacks)")
    for name, (p95, longest) in sorted(times.items()):
        print(f"collecting {name:<10} p95 {p95:6.1f} ms, longest {longest:6.1f} ms")
    for path, size in sorted(sizes.items()):
        print(f"payload {path:<28} {size:6d} bytes at most on the wire")
    result = {
        "pss_mb": round(max(idle.pss_mb, loaded.pss_mb), 1),
        "cpu_percent_idle": round(idle.cpu_percent, 2),
        "cpu_percent_1000": round(loaded.cpu_percent, 2),
        "start_s": round(start_s, 3),
        "collect_p95_ms": round(max((p95 for p95, _ in times.values()), default=0.0), 1),
        "payload_bytes": payload,
        "binary_bytes": binary.size_bytes,
        "max_glibc": float(freeze.dotted(binary.max_glibc)),
    }
    over = [name for name, most in BUDGETS.items() if result[name] > most]
    print(f"over budget: {', '.join(over)}" if over else "within every budget")
    print(json.dumps(result), flush=True)
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
