"""The machine: processor, memory, disk, network, files, as the kernel counts them; the mail
programs that run on it and the ports they take connections on.

Sources: /proc by way of psutil; socket states from /proc/net/tcp and tcp6, open files from
/proc/sys/fs/file-nr (psutil would walk every process for both).
"""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from agent import clock
from agent.collectors import ports
from agent.collectors.processes import ProcessWatch
from agent.errors import CollectError
from agent.roles import ports_of
from agent.wire import Core, SystemReadings, SystemSample

ESTABLISHED, TIME_WAIT = "01", "06"  # include/net/tcp_states.h
STATE_COLUMN = 3
# How long the processor is watched for the first sample, which has no one before it.
FIRST_CPU_S = 0.1
LARGEST_PERCENT = 100.0


@dataclass(frozen=True)
class Counters:
    """Totals since the machine started. Never compared across a reset: see `rate`."""

    at_s: float
    disk_read_bytes: int = 0
    disk_write_bytes: int = 0
    net_rx_bytes: int = 0
    net_tx_bytes: int = 0
    net_rx_errors: int = 0
    net_tx_errors: int = 0


def rate(before: int, now: int, elapsed_s: float) -> float | None:
    """Return units per second; None when the counter was reset (it went back) or no time passed."""
    if now < before or elapsed_s <= 0:
        return None
    return round((now - before) / elapsed_s, 1)


def socket_states(*tables: str) -> Counter[str]:
    """Return how many sockets are in each state (two hex digits), given texts of
    /proc/net/tcp or tcp6."""
    states: Counter[str] = Counter()
    for table in tables:
        for line in table.splitlines()[1:]:
            columns = line.split(maxsplit=STATE_COLUMN + 1)
            if len(columns) > STATE_COLUMN:
                states[columns[STATE_COLUMN]] += 1
    return states


class SystemCollector:
    """Reads the machine. Rates are per second since the sample before."""

    name = "system"

    def __init__(
        self,
        *,
        node: str,
        programs: tuple[str, ...] = (),
        more_ports: str = "",
        disk_path: str = "/",
        proc: Path = Path("/proc"),
    ) -> None:
        self._node = node
        self._disk_path = disk_path
        self._proc = proc
        self._programs = programs
        self._more_ports = more_ports
        self._processes = ProcessWatch(programs, proc=proc)
        self._before: Counters | None = None

    def collect(self) -> bytes:
        """Return one sample as JSON. Raises CollectError."""
        return msgspec.json.encode(self.sample())

    def close(self) -> None:
        """Nothing is kept open."""

    def sample(self) -> SystemSample:
        """Return one sample. Raises CollectError."""
        try:
            processes = self._processes.read()
            # Without a role, what runs here says which ports matter.
            running = tuple(name for name, its in processes.items() if its.status != "not_found")
            numbers = ports_of(self._programs or running, self._more_ports)
            sockets = ports.tables(self._proc)
            answers = ports.check(numbers, known=sockets)
            sample = SystemSample(
                node_id=self._node,
                timestamp=clock.utc_now(),
                system=self._readings(sockets),
                processes=processes,
                services={},
            )
            # The connections were being made meanwhile.
            for number, answer in answers.finish().items():
                sample.services[f"port_{number}"] = answer
            return sample
        except (psutil.Error, OSError, ValueError) as error:
            raise CollectError(f"the kernel's counters cannot be read: {error}") from error

    def _readings(self, sockets: tuple[str, ...]) -> SystemReadings:
        first = self._before is None
        cores = psutil.cpu_percent(interval=FIRST_CPU_S if first else None, percpu=True)
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(self._disk_path)
        now = _counters()
        before, self._before = self._before or now, now
        elapsed_s = 0.0 if first else now.at_s - before.at_s
        states = socket_states(*sockets)
        open_files = self._text("sys/fs/file-nr").split()
        return SystemReadings(
            cpu_percent=round(min(sum(cores) / max(len(cores), 1), LARGEST_PERCENT), 1),
            cpu_cores=[Core(n, min(percent, LARGEST_PERCENT)) for n, percent in enumerate(cores)],
            ram_used_percent=memory.percent,
            ram_used_bytes=memory.used,
            ram_total_bytes=memory.total,
            disk_used_percent=disk.percent,
            disk_free_bytes=disk.free,
            disk_read_bytes_sec=rate(before.disk_read_bytes, now.disk_read_bytes, elapsed_s),
            disk_write_bytes_sec=rate(before.disk_write_bytes, now.disk_write_bytes, elapsed_s),
            net_rx_bytes_sec=rate(before.net_rx_bytes, now.net_rx_bytes, elapsed_s),
            net_tx_bytes_sec=rate(before.net_tx_bytes, now.net_tx_bytes, elapsed_s),
            net_rx_errors=now.net_rx_errors,
            net_tx_errors=now.net_tx_errors,
            load_avg=os.getloadavg(),
            tcp_established=states[ESTABLISHED],
            tcp_time_wait=states[TIME_WAIT],
            open_files=int(open_files[0]) if open_files else 0,
            uptime_seconds=clock.uptime_s(),
        )

    def _text(self, name: str) -> str:
        try:
            return (self._proc / name).read_text()
        except OSError:
            return ""  # no IPv6, or a container that hides it


def _counters() -> Counters:
    disks = psutil.disk_io_counters()
    network = {
        name: counters
        for name, counters in psutil.net_io_counters(pernic=True).items()
        if name != "lo"  # what the machine says to itself is not traffic
    }
    return Counters(
        at_s=clock.monotonic_s(),
        disk_read_bytes=disks.read_bytes if disks else 0,
        disk_write_bytes=disks.write_bytes if disks else 0,
        net_rx_bytes=sum(counters.bytes_recv for counters in network.values()),
        net_tx_bytes=sum(counters.bytes_sent for counters in network.values()),
        net_rx_errors=sum(counters.errin for counters in network.values()),
        net_tx_errors=sum(counters.errout for counters in network.values()),
    )
