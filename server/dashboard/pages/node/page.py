"""Programs, ports, agent and completeness on the page of one node. Pure.

Samples come as rows of their tables in JSON (metrics.newest): times are texts, null is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from server.alerts.nodes import (
    PROCESS_LEVELS,
    judge_clock,
    judge_completeness,
    judge_losses,
    judge_source,
    judge_spool,
    worst_level,
)
from server.formats import UNKNOWN, byte_size, duration, milliseconds, thousands
from server.ledger.queries import Completeness

Row = Mapping[str, Any]

TROUBLE = ("warning", "critical")
#: Ranges of missing numbers that are named.
MAX_RANGES_NAMED = 5
LABELS = {
    "zonemta": "ZoneMTA", "haraka": "Haraka", "wildduck": "WildDuck", "mongodb": "MongoDB",
    "redis": "Redis", "rspamd": "Rspamd", "queue": "Mail queue", "system": "System",
    "agent": "Agent", "processes": "Processes", "ports": "Ports",
}  # fmt: skip
PORTS = {
    "25": "SMTP", "465": "SMTPS", "587": "submission", "993": "IMAPS", "995": "POP3S",
    "143": "IMAP", "12080": "ZoneMTA API", "11334": "Rspamd", "8080": "WildDuck API",
    "27017": "MongoDB", "6379": "Redis", "24": "LMTP",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One fact. `level`: ok, warning, critical or none; `note`: what it means or what to do."""

    label: str
    value: str
    level: str = "ok"
    note: str = ""


@dataclass(frozen=True)
class Process:
    """One program of the node."""

    name: str
    status: str
    level: str
    pid: str
    memory: str
    cpu: str


@dataclass(frozen=True)
class Port:
    """One port, and whether it takes connections."""

    number: str
    name: str
    is_open: bool


@dataclass(frozen=True)
class Source:
    """One of the agent's sources. `succeeded_at` is None where it never did."""

    name: str
    state: str
    level: str
    runs: str
    failures: str
    missed: str
    last: str
    slowest: str
    succeeded_at: datetime | None
    error: str


@dataclass(frozen=True)
class Part:
    """One kind of readings: when the newest came, and whether that is too long ago."""

    kind: str
    label: str
    at: datetime
    is_stale: bool


@dataclass(frozen=True)
class Epoch:
    """One life of the agent's spool: what arrived of its numbers."""

    epoch: str
    level: str
    verdict: str
    numbers: str
    missing: tuple[str, ...]
    more_missing: int
    dropped: str
    refused: str
    repeated: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class AgentHealth:
    """The agent's report on itself. `compared`: counts of programs beside what was captured."""

    lines: tuple[Line, ...]
    sources: tuple[Source, ...]
    plugins: tuple[Line, ...]
    compared: tuple[Line, ...]
    level: str = "ok"
    troubles: tuple[str, ...] = field(default=())


def build_processes(rows: Sequence[Row]) -> list[Process]:
    """Return the programs, those that should run and do not first."""
    order = {"stopped": 0, "running": 1, "not_found": 2}
    texts = {"not_found": "not found"}
    return [
        Process(
            name=LABELS.get(row["process"]) or row["process"],
            status=texts.get(row["status"]) or row["status"],
            level=PROCESS_LEVELS.get(row["status"], "none"),
            pid=str(row["pid"]) if row["pid"] is not None else UNKNOWN,
            memory=_bytes(row["memory_mb"], 1_000_000) if _runs(row) else UNKNOWN,
            cpu=f"{row['cpu_percent']:.1f} %"
            if _runs(row) and row["cpu_percent"] is not None
            else UNKNOWN,
        )
        for row in sorted(rows, key=lambda row: (order.get(row["status"], 3), row["process"]))
    ]


def _runs(row: Row) -> bool:
    return bool(row["status"] == "running")


def build_ports(rows: Sequence[Row]) -> list[Port]:
    """Return the ports, closed ones first."""
    result = []
    for row in rows:
        number = str(row["service"]).removeprefix("port_")
        result.append(Port(number, PORTS.get(number, ""), bool(row["is_open"])))
    return sorted(result, key=lambda p: (p.is_open, int(p.number) if p.number.isdecimal() else 0))


def build_parts(
    newest: Mapping[str, Sequence[Row]], *, now: datetime, stale_after_s: float
) -> list[Part]:
    """Return the kinds of which samples came, with the age of the newest."""
    return [
        Part(
            kind,
            LABELS.get(kind, kind),
            at,
            (now - at).total_seconds() > stale_after(kind, stale_after_s),
        )
        for kind, rows in newest.items()
        for at in [parse_time(rows[0]["time"])]
        if at
    ]


def stale_after(kind: str, stale_after_s: float) -> float:
    """Return after how long a reading of this kind is old: WildDuck is read every five minutes."""
    return {"wildduck": 900.0}.get(kind, max(stale_after_s, 120.0))


def build_agent_health(row: Row | None, now: datetime) -> AgentHealth | None:
    """Return the agent's health; None when it never reported."""
    if row is None:
        return None
    sources = tuple(_source(each, now) for each in row["sources"] or ())
    lines = (
        Line("version", row["version"] or UNKNOWN),
        Line("running for", _duration(row["uptime_s"])),
        Line("memory", _bytes(row["memory_rss_bytes"])),
        Line("CPU", UNKNOWN if row["cpu_percent"] is None else f"{row['cpu_percent']:.1f} %"),
        _clock(row["clock_skew_ms"]),
        _spool(row),
        Line("oldest event waiting", _age(row.get("oldest_event_at"), now)),
        *_losses(row),
        _sends(row),
        Line("95 % of sends within", milliseconds(row["send_p95_ms"])),
    )
    plugins = tuple(_plugin(each, now) for each in row["plugins"] or ())
    compared = tuple(_comparison_line(each) for each in row["reconciliation"] or ())
    troubles = [f"{line.label}: {line.value}" for line in lines if line.level in TROUBLE]
    troubles += [
        f"{each.label}: {each.note}" for each in plugins + compared if each.level in TROUBLE
    ]
    troubles += [
        f"{each.name}: {each.error or each.state}" for each in sources if each.level in TROUBLE
    ]
    levels = {line.level for line in (*lines, *plugins, *compared)} | {s.level for s in sources}
    return AgentHealth(lines, sources, plugins, compared, worst_level(levels), tuple(troubles))


def _source(each: Row, now: datetime) -> Source:
    succeeded = parse_time(each.get("succeeded_at"))
    state, level = judge_source(each, succeeded, now)
    return Source(
        name=LABELS.get(each["name"]) or each["name"],
        state=state,
        level=level,
        runs=_count(each.get("runs_total")),
        failures=_count(each.get("failures_total")),
        missed=_count(each.get("missed_total")),
        last=milliseconds(each.get("last_ms")),
        slowest=milliseconds(each.get("max_ms")),
        succeeded_at=succeeded,
        error=each.get("last_error") or "",
    )


def _clock(skew_ms: float | None) -> Line:
    if skew_ms is None:
        return Line("clock", UNKNOWN, "none", "not compared with the server's yet")
    size = abs(skew_ms)
    way = "ahead of" if skew_ms > 0 else "behind"
    level = judge_clock(skew_ms)
    if level == "ok":
        return Line("clock", "right", note=f"{milliseconds(size)} {way} the server's")
    text = f"{milliseconds(size)} {way} the server's"
    return Line("clock", text, level, "its events have wrong times; check NTP on the node")


def _spool(row: Row) -> Line:
    events, samples = row["spooled_events_count"], row["spooled_samples_count"]
    if events is None:
        return Line("spool", UNKNOWN, "none")
    value = f"{thousands(events)} events, {_count(samples)} samples wait"
    used, limit = row["spool_bytes"], row["spool_limit_bytes"]
    note = f"{_bytes(used)} of {_bytes(limit)} used" if used is not None and limit else ""
    return Line("spool", value, judge_spool(used, limit), note)


def _losses(row: Row) -> list[Line]:
    """Counts of events dropped on purpose or refused, also those that are 0."""
    kinds = (
        (
            "dropped_events_total",
            "events dropped",
            "the spool was full; the ledger shows them as dropped",
        ),
        ("dropped_samples_total", "samples dropped", "the spool was full"),
        (
            "plugin_dropped_total",
            "events dropped by plugins",
            "the agent did not answer them in time",
        ),
        ("refused_events_total", "events refused by the server", "see the ledger below"),
    )
    return [
        Line(
            label,
            _count(row[name]),
            judge_losses(row[name]),
            note if row[name] else "",
        )
        for name, label, note in kinds
    ]


def _sends(row: Row) -> Line:
    sends, failures = row["sends_total"], row["send_failures_total"]
    if sends is None:
        return Line("sends", UNKNOWN, "none")
    return Line(
        "sends", thousands(sends), note=f"{_count(failures)} of them failed and were repeated"
    )


def _plugin(each: Row, now: datetime) -> Line:
    dropped = each.get("dropped_total") or 0
    label = " ".join(filter(None, (each["name"], each.get("process"))))
    age = _age(each.get("heard_at"), now)
    value = f"last report {age} ago" if age != UNKNOWN else "no report yet"
    note = f"{thousands(dropped)} dropped" if dropped else ""
    return Line(label, value, judge_losses(dropped), note)


def _comparison_line(each: Row) -> Line:
    counted, captured = each["counted"], each["captured"]
    start, end = parse_time(each["from_at"]), parse_time(each["to_at"])
    span = f"{start:%H:%M}{UNKNOWN}{end:%H:%M} UTC" if start and end else ""
    label = f"{LABELS.get(each['program'], each['program'])} {each['outcome']}, {span}"
    value = f"{thousands(captured)} of {thousands(counted)} captured"
    missing = counted - captured
    if missing == 0:
        return Line(label, value, note="all of them")
    difference = f"{thousands(abs(missing))} {'missing' if missing > 0 else 'more than it counted'}"
    return Line(label, value, "warning", difference)


def build_epoch(of: Completeness) -> Epoch:
    """Return one epoch of the ledger, in words."""
    shown = of.missing_ranges[:MAX_RANGES_NAMED]
    if of.complete:
        verdict = "complete"
    else:
        noun = "event" if of.missing_count == 1 else "events"
        verdict = f"{thousands(of.missing_count)} {noun} missing"
    last = of.last_seq if of.last_seq is not None else of.first_seq
    return Epoch(
        epoch=of.epoch,
        level=judge_completeness(of.missing_count, 0),
        verdict=verdict,
        numbers=f"{thousands(of.first_seq)} to {thousands(last)}",
        missing=tuple(_range(first, last_one) for first, last_one in shown),
        more_missing=max(0, len(of.missing_ranges) - len(shown)),
        dropped=_describe_drops(of),
        refused=thousands(of.refused_count),
        repeated=thousands(of.repeated_count),
        first_at=of.first_received_at,
        last_at=of.last_received_at,
    )


def _describe_drops(of: Completeness) -> str:
    if not of.dropped_count:
        return "0"
    ranges = ", ".join(_range(first, last) for first, last in of.dropped_ranges[:MAX_RANGES_NAMED])
    more = ", …" if len(of.dropped_ranges) > MAX_RANGES_NAMED else ""
    return f"{thousands(of.dropped_count)} ({ranges}{more})"


def _range(first: int, last: int) -> str:
    return thousands(first) if first == last else f"{thousands(first)}{UNKNOWN}{thousands(last)}"


def summarize_completeness(epochs: Sequence[Completeness]) -> Line:
    """Return the one sentence about all known epochs."""
    if not epochs:
        return Line("Completeness", "no events numbered by this agent in this time", "none")
    missing = sum(each.missing_count for each in epochs)
    dropped = sum(each.dropped_count for each in epochs)
    explained = f"; {thousands(dropped)} dropped by the agent and reported" if dropped else ""
    if missing:
        noun = "event is" if missing == 1 else "events are"
        text = f"{thousands(missing)} {noun} missing without explanation{explained}"
        return Line(
            "Completeness", text, "critical", "they may still be in the spool, or on their way"
        )
    return Line("Completeness", f"complete{explained}", judge_completeness(0, dropped))


def parse_time(text: str | None) -> datetime | None:
    """Return a time of JSON; None for none."""
    return datetime.fromisoformat(text) if text else None


def _age(text: str | None, now: datetime) -> str:
    at = parse_time(text)
    return UNKNOWN if at is None else duration((now - at).total_seconds())


def _duration(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else duration(seconds)


def _bytes(value: float | None, unit: int = 1) -> str:
    return UNKNOWN if value is None else byte_size(value * unit)


def _count(value: int | None) -> str:
    return UNKNOWN if value is None else thousands(value)
