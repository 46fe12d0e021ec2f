"""Conditions of nodes: their silence, their clocks, their agents' sources and spools. Pure."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings

from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.conditions.parameters import MINUTE, Parameter
from server.alerts.snapshot import Snapshot
from server.formats import duration, milliseconds

#: A source that has not succeeded for this many of its intervals is late.
LATE_INTERVALS = 3
#: Silent for longer, a node is offline, on pages too; no rule is sooner than its agent's interval.
MIN_SILENCE_S = 15.0
OFFLINE_AFTER_S = max(MIN_SILENCE_S, settings.NODE_OFFLINE_AFTER_S)


def read_silence(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the seconds each node has been silent for. One that never came is no subject."""
    for node in snapshot.watched:
        if node.contact_at is None:
            continue
        silent_s = snapshot.silent_s(node)
        text = f"{node.name} is silent for {duration(silent_s)}"
        evidence = {"last_contact_at": node.contact_at.isoformat()}
        yield Reading(Subject("node", node.name, node.name), silent_s, text, evidence)


def read_clocks(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield how far each node's clock is off, in seconds: by its agent or by its batches."""
    samples = snapshot.fresh_samples("agent")
    for node in snapshot.watched:
        sample = samples.get(node.name)
        skews = (sample.values.get("clock_skew_ms") if sample else None, node.clock_ahead_ms)
        known = [float(skew) for skew in skews if skew is not None]
        if not known:
            continue
        skew_ms = max(known, key=abs)
        side = "ahead" if skew_ms > 0 else "behind"
        text = f"The clock of {node.name} is {milliseconds(abs(skew_ms))} {side}"
        subject = Subject("node", node.name, node.name)
        yield Reading(subject, abs(skew_ms) / 1_000, text, {"ahead_ms": skew_ms})


def read_sources(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield 1 for each source of an agent that fails or is late, 0 for the others."""
    for name, sample in snapshot.fresh_samples("agent").items():
        for source in sample.values.get("sources") or ():
            if not source.get("is_on"):
                continue
            subject = Subject("source", f"{name}/{source['name']}", name)
            problem = _find_source_problem(source, snapshot.now)
            text = f"The agent of {name} cannot read {source['name']}: {problem}"
            evidence = {"error": source.get("last_error"), "since": source.get("succeeded_at")}
            yield Reading(subject, float(bool(problem)), text if problem else "", evidence)


def _find_source_problem(source: dict[str, object], now: datetime) -> str:
    if source.get("last_error"):
        return str(source["last_error"])
    succeeded_at, interval_s = source.get("succeeded_at"), source.get("interval_s")
    if not succeeded_at or not isinstance(interval_s, int | float) or interval_s <= 0:
        return ""
    age_s = (now - datetime.fromisoformat(str(succeeded_at))).total_seconds()
    if age_s <= LATE_INTERVALS * interval_s + 2 * MINUTE:
        return ""
    return f"no success for {duration(age_s)}"


def read_spools(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield how full each agent's spool is, in percent."""
    for name, sample in snapshot.fresh_samples("agent").items():
        used, limit = sample.values.get("spool_bytes"), sample.values.get("spool_limit_bytes")
        subject = Subject("node", name, name)
        if used is None or not limit:
            yield Reading(subject, None)
            continue
        percent = 100 * used / limit
        text = f"The agent's spool on {name} is {percent:.0f} % full"
        yield Reading(subject, percent, text, {"used_bytes": used, "limit_bytes": limit})


SILENCE = Condition(
    "node_silent", "node", "contact", "No sign of life of a node's agent.", read_silence,
    Parameter("threshold", "s", OFFLINE_AFTER_S, "Silent for longer.", MIN_SILENCE_S), "above",
)  # fmt: skip
CLOCK = Condition(
    "clock_off", "node", "agent", "A node's clock differs from the server's.", read_clocks,
    Parameter("threshold", "s", 2, "Off by more."), "above",
)  # fmt: skip
SOURCE = Condition(
    "source_failing", "source", "agent",
    "An agent cannot read one of its sources.", read_sources,
)  # fmt: skip
SPOOL = Condition(
    "spool_filling", "node", "agent", "An agent's spool fills, as it cannot send.", read_spools,
    Parameter("threshold", "%", 50, "Fuller than this.", maximum=100), "above",
)  # fmt: skip
CONDITIONS = (SILENCE, CLOCK, SOURCE, SPOOL)
RULES = (
    warn("node_silent", SILENCE, threshold=OFFLINE_AFTER_S, keep_firing_for="30 s"),
    alarm(
        "node_silent_long",
        SILENCE,
        threshold=max(2 * MINUTE, OFFLINE_AFTER_S),
        keep_firing_for="30 s",
    ),
    warn("clock_off", CLOCK, threshold="2 s", clear="1 s", for_="2 min"),
    alarm("clock_wrong", CLOCK, threshold="300 s", clear="240 s"),
    warn("source_failing", SOURCE, for_="2 min", keep_firing_for="2 min"),
    warn("spool_filling", SPOOL, threshold="50 %", clear="40 %"),
)
