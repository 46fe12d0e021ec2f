"""Pure: generated readings of generated nodes, the same for the same seed. See mail.py.

Load follows the day; a node that is dead sends nothing.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from server.demo.mail import Incidents, day_curve, is_within
from server.metrics.wire import Core, FileSystem, System, SystemSample

CORES = 4
RAM_BYTES, DISK_BYTES = 16_000_000_000, 200_000_000_000
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def details(name: str) -> dict[str, Any]:
    outbound = "-mta-" in name
    return {
        "hostname": f"{name}.example",
        "role": "zonemta-outbound" if outbound else "haraka-inbound",
        "addresses": [],
        "agent_version": "0.1.0",
        "versions": {"zonemta": "3.10.0"} if outbound else {"haraka": "3.1.1"},
    }


def system_samples(
    nodes: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    every_s: int,
    seed: int,
    wrong: Incidents,
) -> Iterator[SystemSample]:
    """Yield the samples of [start, end), which lie on one UTC day, in the order of time."""
    step = timedelta(seconds=every_s)
    at = start + (EPOCH - start) % step
    # Not for secrets: the same seed must give the same readings.
    rng = random.Random(f"{seed}|{start.isoformat()}")  # noqa: S311
    while at < end:
        hour_of_day = at.hour + at.minute / 60
        dead = is_within(hour_of_day, wrong.dead_hours)
        for place, name in enumerate(nodes):
            if not (dead and name == wrong.dead_node):
                yield SystemSample(name, at, _readings(rng, place, at, hour_of_day))
        at += step


def _readings(rng: random.Random, place: int, at: datetime, hour_of_day: float) -> System:
    traffic = day_curve(hour_of_day)
    cpu_percent = min(98.0, 6 + 22 * traffic + place % 5 + rng.uniform(-3, 3))
    ram_percent = 42 + 8 * traffic + place % 7
    uptime_s = int((at - EPOCH).total_seconds()) + place * 86_400
    # A disk that fills slowly and is cleaned every three weeks.
    disk_percent = 35 + place % 9 + 40 * (uptime_s % 1_814_400) / 1_814_400
    load = cpu_percent / 100 * CORES
    return System(
        cpu_percent=round(cpu_percent, 1),
        cpu_cores=[Core(i, round(min(100.0, cpu_percent + i), 1)) for i in range(CORES)],
        ram_used_percent=round(ram_percent, 1),
        ram_used_bytes=int(RAM_BYTES * ram_percent / 100),
        ram_total_bytes=RAM_BYTES,
        disk_used_percent=round(disk_percent, 1),
        disk_free_bytes=int(DISK_BYTES * (1 - disk_percent / 100)),
        disk_read_bytes_sec=round(2e4 * traffic, 1),
        disk_write_bytes_sec=round(4e5 * traffic, 1),
        net_rx_bytes_sec=round(8e5 * traffic * rng.uniform(0.8, 1.2), 1),
        net_tx_bytes_sec=round(1.6e6 * traffic * rng.uniform(0.8, 1.2), 1),
        net_rx_errors=0,
        net_tx_errors=0,
        load_avg=(round(load, 2), round(load * 0.97, 2), round(load * 0.95, 2)),
        tcp_established=int(60 * traffic + place),
        tcp_time_wait=int(120 * traffic),
        open_files=int(2_000 + 900 * traffic),
        uptime_seconds=uptime_s,
        file_systems=[
            _file_system("/", disk_percent, DISK_BYTES),
            _file_system("/var/lib/mongodb", 20 + place % 9, 4 * DISK_BYTES),
        ],
    )


def _file_system(point: str, percent: float, total_bytes: int) -> FileSystem:
    return FileSystem(
        mount_point=point,
        type="ext4",
        total_bytes=total_bytes,
        free_bytes=int(total_bytes * (1 - percent / 100)),
        used_percent=round(percent, 1),
        inodes_free_count=total_bytes // 16_384,
        inodes_used_percent=round(percent / 10, 1),
    )
