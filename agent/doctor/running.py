"""Checks of what the running agent says about its requests to the server, and of agents beside it
on this machine."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from agent.doctor.finding import Finding
from agent.events.receiver.health_client import Health
from agent.wire import FailingSends

# In a row: one lost connection is normal.
MIN_FAILURES = 3
EVENTS_PATH = "/api/v1/events/ingest"
NOT_FOUND = 404
SAMPLES_PREFIX = "/api/v1/metrics/"
PROGRAM = "mallard-agent"
MAX_SHOWN = 5


def judge_sends(health: Health, *, now: datetime) -> Iterator[Finding]:
    """Yield findings about requests that fail, with the reason and the fix that the agent knows."""
    if health.sends_total is None:
        line = "The running agent is older and does not tell how its requests fare."
        yield Finding("note", "sending", line, "Restart it: systemctl restart mallard-agent.")
        return
    older = [each for each in health.failing if _is_unknown_kind(each)]
    failing = [each for each in health.failing if not _is_unknown_kind(each)]
    if older:
        names = ", ".join(each.path.removeprefix(SAMPLES_PREFIX) for each in older)
        line = f"The server is older than this agent and has no samples of: {names}."
        yield Finding("note", "sending", line, "Upgrade the server.")
    if failing:
        # That of events first: they are what must not be lost.
        worst = max(failing, key=lambda each: (each.path == EVENTS_PATH, each.count))
        yield _failing(worst, others=len(failing) - 1, now=now)
        return
    noun = "request" if health.sends_total == 1 else "requests"
    total = f"{health.sends_total} {noun} since it started"
    if not health.send_failures_total or health.last_failure is None:
        yield Finding("ok", "sending", f"{total}, none failed.")
        return
    yield Finding(
        "note",
        "sending",
        f"{total}; {health.send_failures_total} of them failed and were repeated, the last because:"
        f" {_reason(health.last_failure)}.",
        health.last_failure.fix.strip(),
    )


def _failing(worst: FailingSends, *, others: int, now: datetime) -> Finding:
    count = "request" if worst.count == 1 else f"{worst.count} requests"
    more = f" (and {others} other kinds of requests)" if others else ""
    return Finding(
        "failure" if worst.count >= MIN_FAILURES else "warning",
        "sending",
        f"The last {count} of the running agent to {worst.path}{more} failed, the first"
        f" {describe_age(now - worst.since_at)} ago: {_reason(worst)}.",
        worst.fix.strip()
        or "Check DASHBOARD_URL, the network and the server; what waits is kept and sent later.",
    )


def _is_unknown_kind(each: FailingSends) -> bool:
    return each.status == NOT_FOUND and each.path.startswith(SAMPLES_PREFIX)


def _reason(each: FailingSends) -> str:
    return each.reason.removesuffix(each.fix).rstrip(". ")


def describe_age(age: timedelta) -> str:
    """Return a time span in its largest unit: "45 s", "12 min", "3 h", "2 days"."""
    seconds = max(age.total_seconds(), 0.0)
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def check_other_agents(*, proc: Path = Path("/proc")) -> Iterator[Finding]:
    """Yield a finding when several agents run on this machine."""
    found = []
    for name in sorted(filter(str.isdecimal, os.listdir(proc)), key=int):  # noqa: PTH208
        try:
            raw = (proc / name / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue  # it ended, or is hidden
        if is_running_agent(raw.rstrip("\0").split("\0")):
            found.append(name)
    if len(found) > 1:
        yield Finding(
            "warning",
            "agents",
            f"{len(found)} agents run on this machine (processes {', '.join(found[:MAX_SHOWN])}):"
            " with one NODE_ID their samples and events mix.",
            "Stop all but one (systemctl status PROCESS names its unit), or give each its own"
            " NODE_ID, AGENT_STATE_DIR and AGENT_RUNTIME_DIR.",
        )


def is_running_agent(arguments: list[str]) -> bool:
    """Return whether these are the arguments of an agent that monitors. Pure."""
    names = [argument.rpartition("/")[2] for argument in arguments]
    if names[0].startswith("python"):  # a script is the interpreter's first argument
        names = names[1:]
    return names[:1] == [PROGRAM] and "run" in names[1:]
