"""The list of nodes: status, readings, filters and sorting. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode

from server.alerts.nodes import (
    STATUSES,
    Status,
    fill_percent,
    find_fullest,
    judge_load,
    judge_percent,
    judge_status,
)
from server.alerts.present.standing import Finding
from server.formats import UNKNOWN, byte_size, duration, thousands

NO_BREAK = "\N{NO-BREAK SPACE}"
MAX_COMPARED = 5
MIN_COMPARED = 2


@dataclass(frozen=True)
class Reading:
    """One number of a node: `value` sorts, `text` is read. `level`: ok, warning, critical, none."""

    value: float | None
    text: str
    level: str = "ok"
    note: str = ""


NOTHING = Reading(None, UNKNOWN, "none")


@dataclass(frozen=True)
class Row:
    """A node (nodes.models.Node) now. `is_stale`: its readings are older than may be online.

    `findings`: its open alerts, the gravest first.
    """

    node: Any
    status: Status
    age_s: float | None
    is_stale: bool
    cpu: Reading
    memory: Reading
    disk: Reading
    network: Reading
    load: Reading
    uptime: Reading
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column one can sort by. `largest_first`: what one wants to see first there."""

    key: str
    label: str
    value: Callable[[Row], Any]
    largest_first: bool = False
    is_number: bool = False
    explained: str = ""


COLUMNS = (
    Column("status", "Status", attrgetter("status.weight"), largest_first=True),
    Column("name", "Node", attrgetter("node.name")),
    Column("role", "Role", attrgetter("node.role")),
    Column("cpu", "CPU", attrgetter("cpu.value"), True, True, "mean of all cores"),
    Column("memory", "Memory", attrgetter("memory.value"), True, True, "used"),
    Column("disk", "Disk", attrgetter("disk.value"), True, True, "used, and what is free"),
    Column("network", "Network", attrgetter("network.value"), True, True, "in and out, a second"),
    Column("load", "Load", attrgetter("load.value"), True, True, "mean of one minute"),
    Column("uptime", "Up for", attrgetter("uptime.value"), False, True, "since it was started"),
    Column("version", "Agent", attrgetter("node.agent_version")),
    Column("age", "Last sample", attrgetter("age_s"), True, True, "age"),
)
DEFAULT_SORT = "-status"


@dataclass(frozen=True)
class Head:
    """One column's head: the query that sorts by it, and how it is sorted now."""

    column: Column
    query: str
    sorted: str


@dataclass(frozen=True)
class ListParams:
    """Filters and order of the list; invalid values of the URL count as absent."""

    status: str = ""
    role: str = ""
    text: str = ""
    sort: str = DEFAULT_SORT

    def parameters(self) -> dict[str, str]:
        """Return the parameters that differ from the defaults."""
        sort = self.sort if self.sort != DEFAULT_SORT else ""
        all_of = {"status": self.status, "role": self.role, "q": self.text, "sort": sort}
        return {name: value for name, value in all_of.items() if value}


def parse_params(query: Mapping[str, str]) -> ListParams:
    sort = query.get("sort", "")
    status = query.get("status", "")
    return ListParams(
        status=status if status in STATUSES else "",
        role=query.get("role", "")[:64],
        text=query.get("q", "").strip()[:100],
        sort=sort if sort.removeprefix("-") in {c.key for c in COLUMNS} else DEFAULT_SORT,
    )


def build_row(
    node: Any,
    sample: Any,
    *,
    now: datetime,
    offline_after_s: float,
    contact_at: datetime | None = None,
    unstored_s: float = 0.0,
    findings: tuple[Finding, ...] = (),
) -> Row:
    """Return one node (nodes.models.Node) with its newest sample (metrics.models) or None.

    `contact_at`: its last sign of life, where that is not its last sample. `unstored_s`: how far
    back accepted samples may not be stored yet.
    """
    age_s = max(0.0, (now - node.last_seen_at).total_seconds()) if node.last_seen_at else None
    readings = _readings(sample) if sample else dict.fromkeys(READINGS, NOTHING)
    return Row(
        node=node,
        status=judge_status(
            contact_at or node.last_seen_at,
            now=now,
            offline_after_s=offline_after_s + unstored_s,
            maintenance=node.in_maintenance,
        ),
        age_s=age_s,
        is_stale=age_s is not None and age_s > offline_after_s,
        findings=findings,
        **readings,
    )


READINGS = ("cpu", "memory", "disk", "network", "load", "uptime")


def _readings(sample: Any) -> dict[str, Reading]:
    rx, tx = sample.net_rx_bytes_sec, sample.net_tx_bytes_sec
    known = [rate for rate in (rx, tx) if rate is not None]
    cores = len(sample.cpu_core_percents)
    return {
        "cpu": _percent("cpu", sample.cpu_percent),
        "memory": _percent("memory", sample.ram_used_percent, byte_size(sample.ram_total_bytes)),
        "disk": _disk(sample),
        "network": Reading(sum(known), f"↓{NO_BREAK}{_a_second(rx)} ↑{NO_BREAK}{_a_second(tx)}")
        if known
        else NOTHING,
        "load": _load(sample.load_1m, cores),
        "uptime": Reading(sample.uptime_seconds, duration(sample.uptime_seconds)),
    }


def _disk(sample: Any) -> Reading:
    """The root's file system, or the one that is fuller: of bytes or of inodes."""
    fullest = find_fullest(getattr(sample, "file_systems", None) or ())
    root_percent = sample.disk_used_percent
    if fullest is None or (root_percent is not None and fill_percent(fullest) <= root_percent):
        free = byte_size(sample.disk_free_bytes)
        return _percent("disk", sample.disk_used_percent, f"{free} free")
    free = byte_size(fullest["free_bytes"])
    if fill_percent(fullest) > fullest["used_percent"]:
        free = f"{thousands(fullest['inodes_free_count'])} inodes"
    return _percent("disk", fill_percent(fullest), f"{free} free at {fullest['mount_point']}")


def _load(load: float | None, cores: int) -> Reading:
    if load is None:
        return NOTHING
    note = f"{cores} cores" if cores > 1 else "1 core" if cores else ""
    return Reading(load, f"{load:.2f}", judge_load(load, cores), note)


def _a_second(count: float | None) -> str:
    # Not to be broken inside a number: two of them stand in one narrow cell.
    return UNKNOWN if count is None else f"{byte_size(count)}/s".replace(" ", NO_BREAK)


def _percent(resource: str, value: float | None, note: str = "") -> Reading:
    if value is None:
        return NOTHING
    return Reading(value, f"{value:.1f} %", judge_percent(resource, value), note)


def filter_rows(rows: Iterable[Row], params: ListParams) -> list[Row]:
    """Return the rows that pass the filters, sorted. What is not known comes last, either way."""
    wanted = params.text.casefold()
    matches = [
        row
        for row in rows
        if (not params.status or row.status.key == params.status)
        and (not params.role or row.node.role == params.role)
        and (not wanted or any(wanted in text.casefold() for text in _texts(row.node)))
    ]
    column = next(column for column in COLUMNS if column.key == params.sort.removeprefix("-"))
    matches.sort(key=attrgetter("node.name"))
    known = [row for row in matches if column.value(row) not in {None, ""}]
    known.sort(key=column.value, reverse=params.sort.startswith("-"))
    return known + [row for row in matches if column.value(row) in {None, ""}]


def _texts(node: Any) -> tuple[str, ...]:
    return (node.name, node.hostname, node.role, *map(str, node.addresses))


def build_heads(params: ListParams, more: Mapping[str, str]) -> list[Head]:
    """Return the heads of all columns. One that is sorted by already turns the order round."""
    heads = []
    for column in COLUMNS:
        current = params.sort.removeprefix("-") == column.key
        descending = params.sort.startswith("-")
        wanted = not descending if current else column.largest_first
        sort = f"-{column.key}" if wanted else column.key
        query = urlencode({**params.parameters(), "sort": sort, **more})
        state = ("descending" if descending else "ascending") if current else "none"
        heads.append(Head(column, query, state))
    return heads


def list_orders(params: ListParams) -> list[tuple[str, str]]:
    """Return the orders a menu offers: value, and words. The one in force is among them."""
    orders = [
        (f"-{column.key}" if column.largest_first else column.key, column.label.lower())
        for column in COLUMNS
    ]
    if params.sort not in dict(orders):
        label = next(c.label for c in COLUMNS if c.key == params.sort.removeprefix("-"))
        orders.append((params.sort, f"{label.lower()}, reversed"))
    return orders


def count_statuses(rows: Sequence[Row]) -> list[tuple[Status, int]]:
    """Return how many nodes are in each status, those that want you first; none are left out."""
    counts = [(status, sum(row.status is status for row in rows)) for status in STATUSES.values()]
    return sorted(((s, n) for s, n in counts if n), key=lambda pair: -pair[0].weight)


def select_compared(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the nodes to compare: those that exist, each once, MAX_COMPARED of them."""
    exist = set(known)
    return [name for name in dict.fromkeys(names) if name in exist][:MAX_COMPARED]
