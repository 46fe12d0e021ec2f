"""Parsers of the kernel's counters of disks, interfaces, connections and memory. Pure.

Counting the lines of /proc/net/tcp would make the kernel walk all its tables, milliseconds each.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from agent.parsers.values import count

NVME_PATH = re.compile(r"^nvme(\d+)c\d+n(\d+)$")
SECTOR_BYTES = 512  # of /proc/diskstats, whatever the disk's own size


class Disk(NamedTuple):
    """Totals of one disk since the machine started, or since it was put in."""

    read_bytes: int
    write_bytes: int


class Interface(NamedTuple):
    """Totals of one network interface since it was made."""

    rx_bytes: int
    tx_bytes: int
    rx_errors: int
    tx_errors: int


class Memory(NamedTuple):
    """Memory in use: bytes, and the share that programs cannot have."""

    used_bytes: int
    used_percent: float


def parse_diskstats(diskstats: str) -> dict[str, Disk]:
    """Return the bytes read and written of each block device, partitions included."""
    disks: dict[str, Disk] = {}
    for line in diskstats.splitlines():
        columns = line.split()
        if len(columns) > 9 and columns[5].isdecimal() and columns[9].isdecimal():  # noqa: PLR2004
            disks[columns[2]] = Disk(int(columns[5]) * SECTOR_BYTES, int(columns[9]) * SECTOR_BYTES)
    return disks


def drop_counted_paths(disks: Mapping[str, Disk]) -> dict[str, Disk]:
    """Return the disks without the paths (nvme0c1n1) to an NVMe disk that counts for itself
    (nvme0n1), as newer kernels do."""
    heads = {name: NVME_PATH.sub(r"nvme\1n\2", name) for name in disks}
    return {
        name: counts
        for name, counts in disks.items()
        if heads[name] == name or not any(disks.get(heads[name], ()))
    }


def parse_net_dev(net_dev: str) -> dict[str, Interface]:
    """Return the received and sent bytes and the errors of each interface."""
    interfaces: dict[str, Interface] = {}
    for line in net_dev.splitlines():
        name, colon, rest = line.rpartition(":")
        columns = rest.split()
        if colon and len(columns) > 10 and all(map(str.isdecimal, columns[:11])):  # noqa: PLR2004
            numbers = [int(column) for column in columns[:11]]
            interfaces[name.strip()] = Interface(numbers[0], numbers[8], numbers[2], numbers[10])
    return interfaces


def parse_established(snmp: str) -> int | None:
    """Return the established connections of both families (CurrEstab of RFC 4022, which includes
    those the other side has closed) in a text of /proc/net/snmp; None without a value."""
    rows = [line.split() for line in snmp.splitlines() if line.startswith("Tcp:")]
    if len(rows) != 2:  # noqa: PLR2004 (names, numbers)
        return None
    return count(dict(zip(*rows, strict=False)).get("CurrEstab"))


def parse_time_wait(sockstat: str) -> int | None:
    """Return the connections in TIME_WAIT in a text of /proc/net/sockstat; None without a value."""
    for line in sockstat.splitlines():
        words = line.split()
        if words[:1] == ["TCP:"]:
            return count(dict(zip(words[1::2], words[2::2], strict=False)).get("tw"))
    return None


def parse_arc(arcstats: str) -> int:
    """Return the bytes of ZFS's cache (ARC) that it gives back when programs need them: what it has
    beyond its minimum, by a text of /proc/spl/kstat/zfs/arcstats; 0 without ZFS."""
    words = [line.split() for line in arcstats.splitlines()]
    values = {columns[0]: count(columns[-1]) for columns in words if columns}
    return max((values.get("size") or 0) - (values.get("c_min") or 0), 0)


def without_arc(used_bytes: int, percent: float, *, total_bytes: int, arc_bytes: int) -> Memory:
    """Return the used memory without so much of ZFS's cache, which the kernel counts as used. In a
    container the cache is the host's and may exceed the memory: then nothing is subtracted."""
    unavailable_bytes = total_bytes * percent / 100
    if not 0 < arc_bytes < min(used_bytes, unavailable_bytes):
        return Memory(used_bytes, percent)
    share = (unavailable_bytes - arc_bytes) / total_bytes
    return Memory(used_bytes - arc_bytes, round(100 * share, 1))


def rate(
    before: Mapping[str, tuple[int, ...]],
    now: Mapping[str, tuple[int, ...]],
    field: int,
    elapsed_s: float,
) -> float | None:
    """Return the rate per second of one counter over all devices. A device that is new, gone, or
    was reset (its counter fell) is skipped this time; None when that leaves none."""
    if elapsed_s <= 0:
        return None
    moved = [
        now[name][field] - counts[field]
        for name, counts in before.items()
        if name in now and now[name][field] >= counts[field]
    ]
    return round(sum(moved) / elapsed_s, 1) if moved else None
