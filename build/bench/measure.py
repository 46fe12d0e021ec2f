"""One batch size: plain COPY, then as fast as it goes, then at a steady rate with the probe."""

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from build.bench import oracle, usage
from build.bench.arrangement import Arrangement, say
from build.bench.events import Bodies
from build.bench.load import Agent, Load, Orders, Seen
from build.bench.probe import Probe

#: One batch in flight each, as agents have.
CLOSED_CONNECTIONS = 8
OPEN_CONNECTIONS = 32
STEADY_EVENTS_PER_S = 10_000.0
#: The steady rate is no more than this share of what the same batch size stored at full load.
STEADY_SHARE = 0.7
STEADY_MAX_S = 60.0
COPY_ROWS = 100_000
COPY_BATCH = 500
COPY_NODE = "plain-copy"
DRAIN_WITHIN_S = 1800.0
POLL_S = 0.02
SAMPLE_EVERY_S = 2.0
COPY_COLUMNS = (
    "occurred_at", "event_id", "event_type", "direction", "mta_node", "message_id", "queue_id",
    "queue_seq", "from_address", "from_user", "from_domain", "to_address", "to_domain",
    "sending_ip", "client_ip", "mx_host", "status_code", "status_message", "delivery_time_ms",
    "queue_time_ms", "attempt", "bounce_type", "bounce_category", "bounce_message",
    "message_size_bytes", "tls", "zone", "source", "certainty",
)  # fmt: skip


@dataclass
class Measured:
    """The figures of one batch size. Latencies in ms, memory in MiB, CPU in µs an event."""

    batch: int
    accepted_per_s: float = 0.0
    stored_per_s: float = 0.0
    copy_per_s: float = 0.0
    ack_ms: list[float] = field(default_factory=list)
    live_ms: list[float] = field(default_factory=list)
    offered_per_s: float = 0.0
    probes: int = 0
    cpu_us: dict[str, float] = field(default_factory=dict)
    steady_cpu_us: dict[str, float] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    load_cpu_percent: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    events: int = 0
    drain_s: float = 0.0
    missing: int = 0
    twice: int = 0


class Marks:
    """Numbers for connections, each of its own within one run."""

    def __init__(self) -> None:
        self._next = 0

    def agents(self, count: int, keys: dict[str, str]) -> list[Agent]:
        """Return `count` agents spread over the nodes, each with an epoch of its own."""
        nodes = sorted(keys)
        made = []
        for n in range(count):
            self._next += 1
            node = nodes[n % len(nodes)]
            made.append(Agent(node, keys[node], f"bench-{self._next}", self._next))
        return made


@dataclass(frozen=True)
class How:
    """How long to load at each step, with whose numbers, seen by which browser, packed or not."""

    seconds: float
    marks: Marks
    cookie: str
    gzip: bool


def measure(
    arrangement: Arrangement,
    batch: int,
    *,
    seconds: float,
    marks: Marks,
    cookie: str,
    copy_rows: int = COPY_ROWS,
    gzip: bool = False,
) -> Measured:
    """Measure one batch size on emptied tables that then hold one plain COPY."""
    result = Measured(batch)
    arrangement.rows(
        "TRUNCATE email_events, email_stats_1m, email_stats_5m, email_stats_1h, email_stats_daily,"
        " ledger_epoch"
    )
    result.copy_per_s = plain_copy(arrangement, rows=copy_rows)
    say(f"  plain COPY {result.copy_per_s:,.0f} rows/s")
    how = How(seconds, marks, cookie, gzip)
    full = _full_load(arrangement, result, how)
    steady = _steady_load(arrangement, result, how)
    stored, different = oracle.count(arrangement, but_not=COPY_NODE)
    result.missing = full + steady - different
    result.twice = stored - different
    return result


def _full_load(arrangement: Arrangement, result: Measured, how: How) -> int:
    """Send as fast as it goes, drain; return how many events were acknowledged."""
    orders = Orders(
        port=arrangement.server.web_port,
        agents=how.marks.agents(CLOSED_CONNECTIONS, arrangement.keys),
        batch=result.batch,
        seconds=how.seconds,
        gzip=how.gzip,
    )
    cpu = usage.all_cpu_seconds(arrangement.programs)
    probe = _probe(arrangement, how.cookie)  # a browser looks on here too
    started = time.monotonic()
    seen = run_load(orders, sample=lambda: _keep_highest(result.memory_mib, arrangement))
    sent_s = time.monotonic() - started
    probe.stop_posting()
    drain(arrangement)
    took_s = time.monotonic() - started
    probe.stop()
    acknowledged = seen.acknowledged - seen.refused_events + probe.posted
    result.events = acknowledged
    result.accepted_per_s = seen.acknowledged / seen.took_s
    result.stored_per_s = acknowledged / took_s
    result.drain_s = took_s - sent_s
    result.answers, result.load_cpu_percent = seen.answers, seen.cpu_percent
    result.cpu_us = _cpu_us(arrangement, cpu, acknowledged)
    say(
        f"  full load: accepted {result.accepted_per_s:,.0f}/s, stored {result.stored_per_s:,.0f}/s"
        f" ({took_s:.1f} s, the last {result.drain_s:.1f} s of it draining)"
    )
    return acknowledged


def _steady_load(arrangement: Arrangement, result: Measured, how: How) -> int:
    """Send at the steady rate with the probe, drain; return how many were acknowledged."""
    result.offered_per_s = min(STEADY_EVENTS_PER_S, STEADY_SHARE * result.stored_per_s)
    orders = Orders(
        port=arrangement.server.web_port,
        agents=how.marks.agents(OPEN_CONNECTIONS, arrangement.keys),
        batch=result.batch,
        seconds=min(how.seconds, STEADY_MAX_S),
        gzip=how.gzip,
        rate=result.offered_per_s,
    )
    cpu = usage.all_cpu_seconds(arrangement.programs)
    probe = _probe(arrangement, how.cookie)
    seen = run_load(orders)
    probe.stop()
    drain(arrangement)
    acknowledged = seen.acknowledged - seen.refused_events + probe.posted
    result.steady_cpu_us = _cpu_us(arrangement, cpu, acknowledged)
    result.ack_ms, result.live_ms = seen.ack_ms, probe.latency_ms
    result.probes = len(probe.latency_ms)
    say(f"  steady load: offered {result.offered_per_s:,.0f}/s, {result.probes} probes seen")
    return acknowledged


def run_load(orders: Orders, *, sample: Callable[[], object] = lambda: None) -> Seen:
    """Run the generator to its end, calling `sample` now and then."""
    load = Load(orders)
    sampled_at = time.monotonic()
    try:
        while not load.ended:
            time.sleep(POLL_S)
            if time.monotonic() - sampled_at > SAMPLE_EVERY_S:
                sampled_at = time.monotonic()
                sample()
        return load.result()
    finally:
        load.stop()


def drain(arrangement: Arrangement) -> None:
    """Return when nothing accepted waits. Raises TimeoutError."""
    deadline = time.monotonic() + DRAIN_WITHIN_S
    while arrangement.waiting():
        if time.monotonic() > deadline:
            message = f"{arrangement.waiting()} batches wait after {DRAIN_WITHIN_S:.0f} s"
            raise TimeoutError(message)
        time.sleep(POLL_S)


def plain_copy(arrangement: Arrangement, *, rows: int) -> float:
    """COPY events like the load's into the same table, with its indexes; return rows/s."""
    bodies = Bodies(node=COPY_NODE, epoch="none", size=COPY_BATCH, mark=0)
    events = (event for _ in range(rows // COPY_BATCH) for event in events_of(bodies.next()))
    lines = io.StringIO("".join(map(_copy_line, events)))
    with arrangement.database() as connection, connection.cursor() as cursor:
        started = time.monotonic()
        cursor.copy_expert(f"COPY email_events ({', '.join(COPY_COLUMNS)}) FROM STDIN", lines)
        connection.commit()
        return rows / (time.monotonic() - started)


def events_of(body: bytes) -> list[dict[str, object]]:
    """Return the events of a body with what the door derives, as columns."""
    events: list[dict[str, object]] = json.loads(body)["events"]
    for event in events:
        user, _, event["from_domain"] = str(event["from_address"]).rpartition("@")
        event["from_user"] = user
        event["to_domain"] = str(event["to_address"]).rpartition("@")[2]
    return events


def _copy_line(event: dict[str, object]) -> str:
    values = (event.get(name) for name in COPY_COLUMNS)
    return "\t".join("\\N" if value is None else str(value) for value in values) + "\n"


def _probe(arrangement: Arrangement, cookie: str) -> Probe:
    node = min(arrangement.keys)
    return Probe(
        web_port=arrangement.server.web_port,
        live_port=arrangement.server.live_port,
        key=arrangement.keys[node],
        node=node,
        cookie=cookie,
    )


def _cpu_us(arrangement: Arrangement, before: dict[str, float], events: int) -> dict[str, float]:
    after = usage.all_cpu_seconds(arrangement.programs)
    return {name: (after[name] - before[name]) / max(1, events) * 1e6 for name in after}


def _keep_highest(highest: dict[str, float], arrangement: Arrangement) -> None:
    for name, mib in usage.all_memory_mib(arrangement.programs).items():
        highest[name] = max(mib, highest.get(name, 0.0))
