"""Programs, ports, agent and completeness on the page of one node. Pure.

Samples come as rows of their tables in JSON (metrics.newest): times are texts, null is unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from server.alerts.backlog import describe_unstored
from server.alerts.node_problems import PROGRAM_NAMES
from server.alerts.nodes import (
    judge_clock,
    judge_completeness,
    judge_losses,
    judge_port,
    judge_program,
    judge_source,
    judge_spool,
    worst_level,
)
from server.formats import UNKNOWN, byte_size, duration, milliseconds, thousands
from server.ledger.queries import Completeness
from server.nodes.roles import programs_of
from server.observability.backlog import Backlog

Row = Mapping[str, Any]

TROUBLE = ("warning", "critical")
REFUSED_NOTE = (
    "the agent's log has the reasons; what it postponed, for a wrong clock or key, is sent again"
)
#: Kinds that are read more seldom: WildDuck every five minutes.
STALE_AFTER_S = {"wildduck": 900.0}
#: Ranges of missing numbers that are named.
MAX_RANGES_NAMED = 5
LABELS = {
    **PROGRAM_NAMES,
    "queue": "Mail queue", "system": "System", "agent": "Agent", "processes": "Processes",
    "ports": "Ports",
}  # fmt: skip
PORTS = {
    "25": "SMTP", "465": "SMTPS", "587": "submission", "993": "IMAPS", "995": "POP3S",
    "143": "IMAP", "12080": "ZoneMTA API", "11334": "Rspamd", "8080": "WildDuck API",
    "27017": "MongoDB", "6379": "Redis", "24": "LMTP",
}  # fmt: skip
#: Losses, on purpose or by refusal: field, label, what a number other than 0 means.
LOSSES = (
    (
        "dropped_events_total",
        "events dropped",
        "the spool was full or damaged, or they were too old; the ledger shows them as dropped",
    ),
    (
        "dropped_samples_total",
        "samples dropped",
        "the spool was full or damaged, or they were too old",
    ),
    ("plugin_dropped_total", "events dropped by plugins", "the agent did not answer them in time"),
    ("refused_events_total", "events refused by the server", "see the ledger below"),
)


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
    """One port. `state`: whether it takes connections, in words."""

    number: str
    name: str
    state: str
    level: str


@dataclass(frozen=True)
class Source:
    """One of the agent's sources. `reported`: as the agent counts it."""

    name: str
    state: str
    level: str
    succeeded_at: datetime | None
    reported: Row


@dataclass(frozen=True)
class Epoch:
    """One life of the agent's spool: what arrived of its numbers."""

    ledger: Completeness
    level: str
    verdict: str
    missing: tuple[str, ...]
    more_missing: int
    dropped: str
    refused: str


@dataclass(frozen=True)
class AgentHealth:
    """The agent's report on itself. `compared`: counts of programs beside what was captured."""

    lines: tuple[Line, ...]
    sources: tuple[Source, ...]
    plugins: tuple[Line, ...]
    compared: tuple[Line, ...]
    level: str
    troubles: tuple[str, ...]


def build_processes(
    rows: Sequence[Row], *, role: str = "", is_stale: bool = False
) -> list[Process]:
    """Return the programs, those that should run and do not first.

    `role`: the node's, which names programs that should run. What is stale is judged no more.
    """
    order = {"stopped": 0, "running": 1, "not found": 2}
    expected = programs_of(role)
    judged = [
        (row, *judge_program(row["status"], is_expected=row["process"] in expected)) for row in rows
    ]
    judged.sort(key=lambda each: (order.get(each[1], 3), each[0]["process"]))
    return [
        Process(
            name=LABELS.get(row["process"]) or row["process"],
            status=status,
            level="none" if is_stale else level,
            pid=str(row["pid"]) if row["pid"] is not None else UNKNOWN,
            memory=_megabytes(row["memory_mb"]) if row["status"] == "running" else UNKNOWN,
            cpu=_percent(row["cpu_percent"]) if row["status"] == "running" else UNKNOWN,
        )
        for row, status, level in judged
    ]


def build_ports(rows: Sequence[Row], *, is_stale: bool = False) -> list[Port]:
    """Return the ports, closed ones first. What is stale is judged no more.

    A port of the role that never was open is one this node does not use.
    """
    ports = []
    for row in rows:
        number = str(row["service"]).removeprefix("port_")
        state, level = judge_port(is_open=row["is_open"], was_open=row["was_open"])
        ports.append(Port(number, PORTS.get(number, ""), state, "none" if is_stale else level))
    order = ("no", "never seen open", "yes")
    return sorted(
        ports,
        key=lambda p: (order.index(p.state), int(p.number) if p.number.isdecimal() else 0),
    )


def find_newest(
    newest: Mapping[str, Sequence[Row]], *, now: datetime, stale_after_s: float
) -> dict[str, tuple[datetime, bool]]:
    """Return when the newest sample of each kind came, and whether that is too long ago."""
    times = {kind: parse_time(rows[0]["time"]) for kind, rows in newest.items()}
    return {
        kind: (at, (now - at).total_seconds() > STALE_AFTER_S.get(kind, max(stale_after_s, 120.0)))
        for kind, at in times.items()
        if at
    }


def build_agent_health(
    row: Row | None,
    now: datetime,
    *,
    corrected_ms: int | None = None,
    is_stale: bool = False,
) -> AgentHealth | None:
    """Return the agent's health; None when it never reported. What is stale is not ok.

    `corrected_ms`: how much too late its times were when the server took them.
    """
    if row is None:
        return None
    sources = tuple(_source(each, now) for each in row["sources"] or ())
    lines = (
        Line("version", row["version"] or UNKNOWN),
        Line("running for", duration(row["uptime_s"])),
        Line("memory", byte_size(row["memory_rss_bytes"])),
        Line("CPU", _percent(row["cpu_percent"])),
        _clock(row["clock_skew_ms"], corrected_ms),
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
        f"{each.name}: {each.reported.get('last_error') or each.state}"
        for each in sources
        if each.level in TROUBLE
    ]
    levels = {line.level for line in (*lines, *plugins, *compared)} | {s.level for s in sources}
    if is_stale:
        lines, plugins, compared = map(_without_ok, (lines, plugins, compared))
    return AgentHealth(lines, sources, plugins, compared, worst_level(levels), tuple(troubles))


def _without_ok(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    return tuple(replace(line, level="none") if line.level == "ok" else line for line in lines)


def _source(each: Row, now: datetime) -> Source:
    succeeded = parse_time(each.get("succeeded_at"))
    state, level = judge_source(each, succeeded, now)
    return Source(LABELS.get(each["name"]) or each["name"], state, level, succeeded, each)


def _clock(skew_ms: float | None, corrected_ms: int | None) -> Line:
    skew_ms = corrected_ms or skew_ms
    if skew_ms is None:
        return Line("clock", UNKNOWN, "none", "not compared with the server's yet")
    way = "ahead of" if skew_ms > 0 else "behind"
    text = f"{milliseconds(abs(skew_ms))} {way} the server's"
    level = judge_clock(skew_ms)
    if level == "ok":
        return Line("clock", "right", note=text)
    times = "the server corrects its times" if corrected_ms else "its events have wrong times"
    return Line("clock", text, level, f"{times}; check NTP on the node")


def _spool(row: Row) -> Line:
    events, samples = row["spooled_events_count"], row["spooled_samples_count"]
    if events is None:
        return Line("spool", UNKNOWN, "none")
    value = f"{thousands(events)} events, {thousands(samples)} samples wait"
    used, limit = row["spool_bytes"], row["spool_limit_bytes"]
    note = f"{byte_size(used)} of {byte_size(limit)} used" if used is not None and limit else ""
    return Line("spool", value, judge_spool(used, limit), note)


def _losses(row: Row) -> list[Line]:
    """The losses, also those that are 0."""
    return [
        Line(label, thousands(row[name]), judge_losses(row[name]), note if row[name] else "")
        for name, label, note in LOSSES
    ]


def _sends(row: Row) -> Line:
    sends, failures = row["sends_total"], row["send_failures_total"]
    if sends is None:
        return Line("sends", UNKNOWN, "none")
    note = f"{thousands(failures)} of them failed and were repeated"
    return Line("sends", thousands(sends), note=note)


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


def build_epoch(of: Completeness, *, is_known: bool = True) -> Epoch:
    """Return what is shown of an epoch. `is_known`: nothing that may be of it waits."""
    counts = {"missing": of.missing_count, "refused": of.refused_count}
    lacks = [f"{_events(count)} {word}" for word, count in counts.items() if count]
    ranges = of.missing_ranges if is_known else []
    return Epoch(
        ledger=of,
        level=judge_completeness(of.missing_count, 0, of.refused_count) if is_known else "none",
        verdict=", ".join(lacks) or "complete" if is_known else "not known yet",
        missing=_name_ranges(ranges),
        more_missing=max(0, len(ranges) - MAX_RANGES_NAMED),
        dropped=_describe(of.dropped_count, of.dropped_ranges),
        refused=_describe(of.refused_count, of.refused_ranges),
    )


def _events(count: int) -> str:
    return f"{thousands(count)} event{'s' * (count != 1)}"


def _describe(count: int, ranges: Sequence[Sequence[int]]) -> str:
    """Return a count and the numbers that are known of it."""
    more = ", …" if len(ranges) > MAX_RANGES_NAMED else ""
    named = ", ".join(_name_ranges(ranges))
    return f"{thousands(count)} ({named}{more})" if named else thousands(count)


def _name_ranges(ranges: Sequence[Sequence[int]]) -> tuple[str, ...]:
    return tuple(
        thousands(first) if first == last else f"{thousands(first)}{UNKNOWN}{thousands(last)}"
        for first, last in ranges[:MAX_RANGES_NAMED]
    )


def summarize_completeness(epochs: Sequence[Completeness], unstored: Backlog | None = None) -> Line:
    """Return the one sentence about all known epochs.

    `unstored`: what waits to be stored, and may have the numbers that are missing.
    """
    if unstored:
        return Line("Completeness", f"not known yet: {describe_unstored(unstored)}", "none")
    if not epochs:
        return Line("Completeness", "no events numbered by this agent in this time", "none")
    missing = sum(each.missing_count for each in epochs)
    dropped = sum(each.dropped_count for each in epochs)
    refused = sum(each.refused_count for each in epochs)
    explained = f"; {thousands(dropped)} dropped by the agent and reported" if dropped else ""
    level = judge_completeness(missing, dropped, refused)
    if missing:
        explained += f"; {thousands(refused)} refused by this server" if refused else ""
        noun = "event is" if missing == 1 else "events are"
        text = f"{thousands(missing)} {noun} missing without explanation{explained}"
        note = "they may still be in the spool, or on their way"
        return Line("Completeness", text, level, note)
    if refused:
        text = f"{_events(refused)} refused by this server and not stored{explained}"
        return Line("Completeness", text, level, REFUSED_NOTE)
    return Line("Completeness", f"complete{explained}", level)


def parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _age(text: str | None, now: datetime) -> str:
    at = parse_time(text)
    return UNKNOWN if at is None else duration((now - at).total_seconds())


def _megabytes(value: float | None) -> str:
    return byte_size(None if value is None else value * 1_000_000)


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f} %"
