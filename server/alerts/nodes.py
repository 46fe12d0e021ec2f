"""Judgement of nodes: their status, readings, programs and agents. Pure.

Levels are ok, warning, critical, and none for what is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from server.alerts.conditions import nodes as node_conditions
from server.alerts.conditions import resources
from server.alerts.conditions.condition import find_thresholds
from server.alerts.conditions.nodes import LATE_INTERVALS
from server.formats import UNKNOWN
from server.nodes.queries import Reporting

_THRESHOLDS = find_thresholds((*resources.RULES, *node_conditions.RULES))
#: From here on a reading is marked, as the rules have it. Disks fill for days, processors are busy
#: for seconds: that of the latter two wakes nobody, so 95 % is in no rule.
WARNING_PERCENT = {
    "cpu": _THRESHOLDS["cpu_high"],
    "memory": _THRESHOLDS["memory_high"],
    "disk": 100 - _THRESHOLDS["disk_low"],
}
CRITICAL_PERCENT = {"cpu": 95.0, "memory": 95.0, "disk": 100 - _THRESHOLDS["disk_almost_full"]}
MAX_LOAD_PER_CORE = 2
#: A clock this far off puts events into the wrong minute; twice the second figure ahead, the
#: ingest endpoint refuses them.
SKEW_WARNING_MS = 1_000 * _THRESHOLDS["clock_off"]
SKEW_CRITICAL_MS = 1_000 * _THRESHOLDS["clock_wrong"]
SPOOL_WARNING_SHARE = _THRESHOLDS["spool_filling"] / 100
PROGRAM_LEVELS = {"stopped": "critical", "running": "ok"}


@dataclass(frozen=True)
class Status:
    """The status of a node. `sign` repeats the colour; the higher `weight`, the more urgent."""

    key: str
    label: str
    sign: str
    weight: int
    level: str


ONLINE = Status("online", "online", "✓", 0, "ok")
MAINTENANCE = Status("maintenance", "maintenance", "⚒", 1, "none")
NEVER = Status("never", "never seen", UNKNOWN, 2, "none")
OFFLINE = Status("offline", "offline", "✕", 3, "critical")
STATUSES = {status.key: status for status in (ONLINE, OFFLINE, NEVER, MAINTENANCE)}


def judge_status(
    seen_at: datetime | None, *, now: datetime, offline_after_s: float, maintenance: bool = False
) -> Status:
    """Judge a node by the age of its last sample. In maintenance its silence is expected."""
    if maintenance:
        return MAINTENANCE
    if seen_at is None:
        return NEVER
    return ONLINE if (now - seen_at).total_seconds() <= offline_after_s else OFFLINE


def judge_reporting(nodes: Reporting) -> str:
    """Return the level of all nodes together. One that is silent is red by itself; here it is a
    warning, as the others go on."""
    if nodes.known == 0:
        return "none"
    if nodes.reporting == nodes.known:
        return "ok"
    return "critical" if nodes.reporting == 0 and nodes.newest_sample_at else "warning"


def judge_percent(resource: str, percent: float) -> str:
    """Return the level of a share used of `cpu`, `memory` or `disk`."""
    if percent < WARNING_PERCENT[resource]:
        return "ok"
    return "critical" if percent >= CRITICAL_PERCENT[resource] else "warning"


def find_fullest(file_systems: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the file system that is the nearest to full, None without any."""
    return max(file_systems, key=fill_percent, default=None)


def fill_percent(file_system: Mapping[str, Any]) -> float:
    """Return how full it is: of bytes or of inodes, whichever ends first."""
    inodes: float = file_system.get("inodes_used_percent") or 0.0
    return max(float(file_system["used_percent"]), inodes)


def judge_load(load: float, cores: int) -> str:
    """Return the level of a load of one minute."""
    return "warning" if cores and load > MAX_LOAD_PER_CORE * cores else "ok"


def judge_clock(skew_ms: float | None) -> str:
    """Return the level of a clock's difference from the server's."""
    if skew_ms is None:
        return "none"
    if abs(skew_ms) < SKEW_WARNING_MS:
        return "ok"
    return "critical" if abs(skew_ms) >= SKEW_CRITICAL_MS else "warning"


def judge_spool(used_bytes: int | None, limit_bytes: int | None) -> str:
    is_filling = used_bytes and limit_bytes and used_bytes > SPOOL_WARNING_SHARE * limit_bytes
    return "warning" if is_filling else "ok"


def judge_losses(count: int | None) -> str:
    """Return the level of a number of lost or refused items."""
    return "none" if count is None else "warning" if count else "ok"


def judge_program(status: str, *, is_expected: bool) -> tuple[str, str]:
    """Return state and level of a program, as its agent describes it.

    A restarted agent does not know what ran before it: what the role names and is not found has
    stopped.
    """
    if status == "not_found":
        return ("stopped", "critical") if is_expected else ("not found", "none")
    return status, PROGRAM_LEVELS.get(status, "none")


def judge_port(*, is_open: bool, was_open: bool) -> tuple[str, str]:
    """Return whether a port takes connections, and the level of that.

    `was_open`: whether it ever did. A default port of the role that never did is none of this node.
    """
    if is_open:
        return "yes", "ok"
    return ("no", "critical") if was_open else ("never seen open", "none")


def judge_source(
    source: Mapping[str, Any], succeeded_at: datetime | None, now: datetime
) -> tuple[str, str]:
    """Return state and level of one of an agent's sources, as its sample describes it."""
    if not source["is_on"]:
        return "off: its program was not found", "none"
    if source.get("last_error"):
        return "failing", "critical"
    if succeeded_at is None or not source.get("interval_s"):
        return "on", "ok"
    is_late = (now - succeeded_at).total_seconds() > LATE_INTERVALS * source["interval_s"]
    return ("late", "warning") if is_late else ("on", "ok")


def judge_completeness(missing: int, dropped: int, refused: int) -> str:
    """Return the level of numbered events: those dropped or refused are explained, not those
    missing."""
    return "critical" if missing else "warning" if dropped or refused else "ok"


def worst_level(levels: set[str]) -> str:
    """Return the most urgent level; ok where none is."""
    return "critical" if "critical" in levels else "warning" if "warning" in levels else "ok"
