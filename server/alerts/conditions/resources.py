"""Conditions of a node's processor, memory and disks. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.conditions.parameters import DAY, Parameter
from server.alerts.snapshot import Resources, Snapshot
from server.formats import byte_size, duration

ROOT = "/"


def _reader(
    what: str, percent_of: Callable[[Resources], float | None]
) -> Callable[[Snapshot, Values], Iterator[Reading]]:
    def read(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
        """Yield the percent used on each node, the mean of two minutes."""
        for node in snapshot.watched:
            resources = snapshot.fresh_resources.get(node.name)
            percent = percent_of(resources) if resources else None
            text = f"The {what} of {node.name} is at {percent or 0:.0f} %"
            subject = Subject("node", node.name, node.name)
            yield Reading(subject, percent, text, {"percent": percent})

    return read


def read_disks(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the percent free of each file system: of bytes or of inodes, whichever ends first."""
    for node in snapshot.watched:
        resources = snapshot.fresh_resources.get(node.name)
        if resources is None:
            continue
        for mount_point, free, evidence in _list_disks(resources):
            text = f"{mount_point} of {node.name} has {max(free, 0.0):.0f} % free"
            if evidence.get("free_bytes") is not None:
                text += f" ({byte_size(evidence['free_bytes'])})"
            subject = Subject("file_system", f"{node.name}:{mount_point}", node.name)
            yield Reading(subject, free, text, evidence)


def _list_disks(resources: Resources) -> Iterator[tuple[str, float, Mapping[str, Any]]]:
    if not resources.file_systems and resources.disk_percent is not None:
        yield ROOT, 100 - resources.disk_percent, {}
    for each in resources.file_systems:
        inodes = each.get("inodes_used_percent") or 0.0
        used = max(float(each["used_percent"]), inodes)
        evidence = {"free_bytes": each.get("free_bytes"), "inodes_used_percent": inodes}
        yield each["mount_point"], 100 - used, evidence


def read_forecasts(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the seconds until each root disk is full, of those that fill."""
    for node in snapshot.watched:
        full_in = snapshot.full_in.get(node.name)
        if full_in is None:
            continue
        seconds = full_in.total_seconds()
        text = f"The disk of {node.name} is full in about {duration(seconds)}"
        subject = Subject("file_system", f"{node.name}:{ROOT}", node.name)
        yield Reading(subject, seconds, text, {"full_in_s": seconds})


_FREE = Parameter("threshold", "%", 15, "Less is free.", maximum=100)
_USED = Parameter("threshold", "%", 85, "More is used.", maximum=100)
CPU = Condition(
    "cpu_high", "node", "system", "A node's processors are busy.",
    _reader("processor", lambda resources: resources.cpu_percent), _USED, "above",
)  # fmt: skip
MEMORY = Condition(
    "memory_high", "node", "system", "A node's memory is used.",
    _reader("memory", lambda resources: resources.memory_percent), _USED, "above",
)  # fmt: skip
DISK = Condition(
    "disk_low", "file_system", "system", "A file system has little space or few inodes left.",
    read_disks, _FREE, "below",
)  # fmt: skip
FORECAST = Condition(
    "disk_full_soon", "file_system", "system",
    "A root disk fills, and is full soon if it goes on like this.", read_forecasts,
    Parameter("threshold", "s", 7 * DAY, "Full in less.", maximum=365 * DAY), "below",
)  # fmt: skip
CONDITIONS = (CPU, MEMORY, DISK, FORECAST)
RULES = (
    warn("cpu_high", CPU, threshold="85 %", clear="75 %", for_="10 min"),
    warn("memory_high", MEMORY, threshold="90 %", clear="85 %", for_="5 min"),
    warn("disk_low", DISK, threshold="15 %", clear="17 %", for_="1 min"),
    alarm("disk_almost_full", DISK, threshold="5 %", clear="7 %", for_="30 s"),
    warn("disk_full_in_days", FORECAST, threshold="7 d", clear="8 d", for_="1 h"),
    alarm("disk_full_in_a_day", FORECAST, threshold="1 d", clear="30 h", for_="30 min"),
)
