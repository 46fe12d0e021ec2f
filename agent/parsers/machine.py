"""What the kernel counts of disks and network interfaces: /proc/diskstats and /proc/net/dev."""

from collections.abc import Mapping
from typing import NamedTuple

SECTOR_BYTES = 512  # of diskstats, whatever the disk's own are


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


def parse_diskstats(diskstats: str) -> dict[str, Disk]:
    """Return what each block device has read and written, partitions included. Pure."""
    found: dict[str, Disk] = {}
    for line in diskstats.splitlines():
        columns = line.split()
        if len(columns) > 9 and columns[5].isdecimal() and columns[9].isdecimal():  # noqa: PLR2004
            found[columns[2]] = Disk(int(columns[5]) * SECTOR_BYTES, int(columns[9]) * SECTOR_BYTES)
    return found


def parse_net_dev(net_dev: str) -> dict[str, Interface]:
    """Return what each interface has received and sent. Pure."""
    found: dict[str, Interface] = {}
    for line in net_dev.splitlines():
        name, colon, rest = line.rpartition(":")
        columns = rest.split()
        if colon and len(columns) > 10 and all(map(str.isdecimal, columns[:11])):  # noqa: PLR2004
            numbers = [int(column) for column in columns[:11]]
            found[name.strip()] = Interface(numbers[0], numbers[8], numbers[2], numbers[10])
    return found


def rate(
    before: Mapping[str, tuple[int, ...]],
    now: Mapping[str, tuple[int, ...]],
    field: int,
    elapsed_s: float,
) -> float | None:
    """Return what all devices together moved a second in one of their counters. A device that came,
    went, or whose counter went back (it was reset) is left out this once; None when that leaves
    nothing to compare."""
    if elapsed_s <= 0:
        return None
    moved = [
        now[name][field] - counts[field]
        for name, counts in before.items()
        if name in now and now[name][field] >= counts[field]
    ]
    return round(sum(moved) / elapsed_s, 1) if moved else None
