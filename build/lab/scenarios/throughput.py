"""Events a second from the POST to the table, and the time until a browser's socket shows one.

Per batch size: plain COPY into the same table, then as fast as the server accepts, then a steady
rate from which the latencies are. Fails when an acknowledged event is missing or stored twice.
"""

import argparse
import io
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from build.lab import oracle, usage
from build.lab.batches import Bodies
from build.lab.installation import Installation, run_installation
from build.lab.live_probe import LiveProbe
from build.lab.report import compute_percentile, format_table, report_progress
from build.lab.traffic import Agent, LoadResult, Orders, run_load

BATCHES = (1, 10, 100, 500)
NODES = ["bench-mta-01", "bench-mta-02", "bench-mta-03", "bench-mta-04"]
#: One batch in flight each, as agents have.
CLOSED_CONNECTIONS = 8
OPEN_CONNECTIONS = 32
STEADY_EVENTS_PER_S = 10_000.0
#: The steady rate is no more than this share of what the same batch size stored at full load.
STEADY_SHARE = 0.7
MAX_STEADY_S = 60.0
COPY_ROWS = 100_000
COPY_BATCH = 500
COPY_NODE = "plain-copy"
COPY_COLUMNS = (
    "occurred_at", "event_id", "event_type", "direction", "mta_node", "message_id", "queue_id",
    "queue_seq", "from_address", "from_user", "from_domain", "to_address", "to_domain",
    "sending_ip", "client_ip", "mx_host", "status_code", "status_message", "delivery_time_ms",
    "queue_time_ms", "attempt", "bounce_type", "bounce_category", "bounce_message",
    "message_size_bytes", "tls", "zone", "source", "certainty",
)  # fmt: skip
EMPTY = (
    "TRUNCATE email_events, email_stats_1m, email_stats_5m, email_stats_1h, email_stats_daily,"
    " ledger_epoch"
)


@dataclass
class Measurement:
    """The figures of one batch size. Latencies in ms, memory in MiB, CPU in µs an event."""

    batch: int
    accepted_per_s: float = 0.0
    stored_per_s: float = 0.0
    copy_per_s: float = 0.0
    ack_ms: list[float] = field(default_factory=list)
    live_ms: list[float] = field(default_factory=list)
    offered_per_s: float = 0.0
    cpu_us: dict[str, float] = field(default_factory=dict)
    steady_cpu_us: dict[str, float] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    load_cpu_percent: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    events: int = 0
    drain_s: float = 0.0
    missing: int = 0
    twice: int = 0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--seconds", type=float, default=15.0, help="of load at each step")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, metavar="EVENTS")
    parser.add_argument("--gzip", action="store_true", help="compress the bodies, as agents do")


def run(options: argparse.Namespace) -> int:
    """Measure every batch size; the last line of standard output is JSON."""
    with run_installation("bench", nodes=NODES) as installation:
        bench = Bench(installation, seconds=options.seconds, gzip=options.gzip)
        results = []
        for batch in options.batches:
            report_progress(f"batches of {batch} (load average {os.getloadavg()[0]:.1f})")
            results.append(bench.measure(batch))
    print(format_text(results))
    print(format_json(results), flush=True)
    return 1 if any(result.missing or result.twice for result in results) else 0


class Bench:
    """Measures one batch size after the other on one installation."""

    def __init__(self, installation: Installation, *, seconds: float, gzip: bool = False) -> None:
        self._installation = installation
        self._seconds, self._gzip = seconds, gzip
        self._cookie = installation.log_in()
        self._agents = 0

    def measure(self, batch: int, *, copy_rows: int = COPY_ROWS) -> Measurement:
        """Measure one batch size on emptied tables that then hold one plain COPY."""
        result = Measurement(batch)
        self._installation.query(EMPTY)
        result.copy_per_s = copy_plainly(self._installation, rows=copy_rows)
        report_progress(f"  plain COPY {result.copy_per_s:,.0f} rows/s")
        acknowledged = self._load_fully(result) + self._load_steadily(result)
        rows, events = oracle.count_stored(self._installation, but_not=COPY_NODE)
        result.missing, result.twice = acknowledged - events, rows - events
        return result

    def _load_fully(self, result: Measurement) -> int:
        """Send as fast as it goes, drain; return how many events were acknowledged."""

        def sample_memory() -> None:
            for name, running in self._installation.programs.items():
                mib = usage.read_pss_bytes(running.pid) / usage.MIB
                result.memory_mib[name] = max(mib, result.memory_mib.get(name, 0.0))

        before = usage.read_all_cpu_s(self._installation.programs)
        probe = LiveProbe(self._installation, cookie=self._cookie)  # a browser looks on here too
        orders = self._order(CLOSED_CONNECTIONS, result.batch, self._seconds)
        load = run_load(orders, sample=sample_memory)
        sent_at = time.monotonic()
        probe.stop_posting()
        self._drain()
        result.drain_s = time.monotonic() - sent_at
        probe.stop()
        result.events = count_acknowledged(load, probe)
        result.accepted_per_s = load.acknowledged / load.took_s
        result.stored_per_s = result.events / (load.took_s + result.drain_s)
        result.answers = dict(load.answers)
        result.load_cpu_percent = 100 * load.cpu_s / load.took_s
        result.cpu_us = self._compute_cpu_us(before, result.events)
        report_progress(
            f"  full load: accepted {result.accepted_per_s:,.0f}/s,"
            f" stored {result.stored_per_s:,.0f}/s ({load.took_s + result.drain_s:.1f} s,"
            f" the last {result.drain_s:.1f} s of it draining)"
        )
        return result.events

    def _load_steadily(self, result: Measurement) -> int:
        """Send at the steady rate, drain; return how many events were acknowledged."""
        result.offered_per_s = min(STEADY_EVENTS_PER_S, STEADY_SHARE * result.stored_per_s)
        before = usage.read_all_cpu_s(self._installation.programs)
        probe = LiveProbe(self._installation, cookie=self._cookie)
        seconds = min(self._seconds, MAX_STEADY_S)
        load = run_load(self._order(OPEN_CONNECTIONS, result.batch, seconds, result.offered_per_s))
        probe.stop()
        self._drain()
        acknowledged = count_acknowledged(load, probe)
        result.steady_cpu_us = self._compute_cpu_us(before, acknowledged)
        result.ack_ms, result.live_ms = load.ack_ms, probe.latency_ms
        report_progress(
            f"  steady load: offered {result.offered_per_s:,.0f}/s,"
            f" {len(result.live_ms)} probes seen"
        )
        return acknowledged

    def _order(self, count: int, batch: int, seconds: float, rate: float = 0.0) -> Orders:
        """Spread `count` connections over the nodes, each with an epoch and a mark of its own."""
        keys = self._installation.keys
        nodes = sorted(keys)
        agents = []
        for n in range(count):
            self._agents += 1
            node = nodes[n % len(nodes)]
            agents.append(Agent(node, keys[node], f"bench-{self._agents}", self._agents))
        port = self._installation.server.web_port
        return Orders(port, agents, batch, seconds, rate=rate, gzip=self._gzip)

    def _drain(self) -> None:
        if waiting := self._installation.drain():
            message = f"{waiting} batches wait in the inbox, and it no longer shrinks"
            raise TimeoutError(message)

    def _compute_cpu_us(self, before: dict[str, float], events: int) -> dict[str, float]:
        after = usage.read_all_cpu_s(self._installation.programs)
        return {name: (after[name] - before[name]) / max(1, events) * 1e6 for name in after}


def count_acknowledged(load: LoadResult, probe: LiveProbe) -> int:
    """Return how many events must be stored."""
    return load.acknowledged - load.refused_events + probe.posted


def copy_plainly(installation: Installation, *, rows: int) -> float:
    """COPY events like the load's into the same table, with its indexes; return rows/s."""
    bodies = Bodies(node=COPY_NODE, epoch="none", size=COPY_BATCH, mark=0)
    lines = io.StringIO()
    for _ in range(rows // COPY_BATCH):
        for event in derive_columns(bodies.next()):
            values = [event.get(name) for name in COPY_COLUMNS]
            lines.write("\t".join("\\N" if v is None else str(v) for v in values) + "\n")
    lines.seek(0)
    with installation.connect() as cursor:
        started = time.monotonic()
        cursor.copy_expert(f"COPY email_events ({', '.join(COPY_COLUMNS)}) FROM STDIN", lines)
        cursor.connection.commit()
        return rows / (time.monotonic() - started)


def derive_columns(body: bytes) -> list[dict[str, object]]:
    """Return the events of a body with the columns that the server derives."""
    events: list[dict[str, object]] = json.loads(body)["events"]
    for event in events:
        event["from_user"], _, event["from_domain"] = str(event["from_address"]).rpartition("@")
        event["to_domain"] = str(event["to_address"]).rpartition("@")[2]
    return events


def build_row(result: Measurement) -> dict[str, object]:
    """Return the figures of one batch size by the names that programs read."""
    row: dict[str, object] = {
        "batch": result.batch,
        "accepted_per_s": round(result.accepted_per_s),
        "stored_per_s": round(result.stored_per_s),
        "copy_per_s": round(result.copy_per_s),
        "copy_ratio": round(result.stored_per_s / result.copy_per_s, 3),
    }
    latencies = {"ack": (result.ack_ms, (50, 99)), "live": (result.live_ms, (50, 95, 99))}
    for name, (values, shares) in latencies.items():
        for share in shares:
            value = compute_percentile(values, share / 100)
            row[f"{name}_p{share}_ms"] = None if value is None else round(value, 1)
    row["cpu_us_per_event"] = {name: round(us, 1) for name, us in result.cpu_us.items()}
    return row | {"missing": result.missing, "twice": result.twice}


def format_json(results: Sequence[Measurement]) -> str:
    """Return one line: a list with one object per batch size."""
    return json.dumps([build_row(result) for result in results])


def format_text(results: Sequence[Measurement]) -> str:
    """Return the report for a person."""
    rows = [build_row(result) for result in results]
    names = [name for name in rows[0] if name != "cpu_us_per_event"]
    lines = ["", format_table([names, *([row[name] for name in names] for row in rows)]), ""]
    lines.append("steady load, from which the latencies are:")
    lines += [
        f"  batches of {r.batch}: {r.offered_per_s:,.0f} events/s offered,"
        f" {len(r.ack_ms):,} answers, {len(r.live_ms)} probes"
        for r in results
    ]
    lines += ["", "CPU, µs an event: at full load / at the steady load"]
    for r in results:
        each = "  ".join(f"{n} {us:.1f}/{r.steady_cpu_us[n]:.1f}" for n, us in r.cpu_us.items())
        total, steady = sum(r.cpu_us.values()), sum(r.steady_cpu_us.values())
        lines.append(f"  batches of {r.batch}: {each}  all {total:.1f}/{steady:.1f}")
    lines += ["", "memory at full load, MiB (PSS, highest seen); the generator's share of a core"]
    for r in results:
        each = "  ".join(f"{name} {mib:.0f}" for name, mib in r.memory_mib.items())
        lines.append(f"  batches of {r.batch}: {each}  generator {r.load_cpu_percent:.0f} %")
    lines += ["", "answers at full load"]
    lines += [
        f"  batches of {r.batch}: {r.events:,} events, {r.answers}, drained in {r.drain_s:.1f} s"
        for r in results
    ]
    return "\n".join(lines)
