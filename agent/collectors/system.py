"""Collector of the machine: processor, memory, disk, network and files as counted by the kernel,
processes and ports of the mail programs.

Sources: /proc, in part through psutil. Connections are counted by /proc/net/snmp and sockstat,
open files by /proc/sys/fs/file-nr: psutil would walk every process for both.
"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from agent import clock
from agent.collectors.base import Collector
from agent.collectors.file_systems import read_file_systems
from agent.collectors.ports import PortWatch, read_or_empty
from agent.collectors.processes import ProcessWatch
from agent.errors import CollectError
from agent.parsers import machine
from agent.parsers.machine import Disk, Interface, rate
from agent.roles import ports_of
from agent.samples import Core, SystemReadings, SystemSample
from agent.status import AgentStatus

logger = logging.getLogger(__name__)

# The first sample has none before it, so its processor time covers at least this, counted from the
# collector's creation: one that begins later need not wait.
MIN_FIRST_CPU_S = 0.1
MAX_PERCENT = 100.0
# In memory, removable, or above the disks that count the same bytes: volumes of ZFS, DRBD.
NO_DISKS = ("loop", "ram", "zram", "sr", "fd", "zd", "drbd")
LOOPBACK = "lo"  # no network traffic
# Numbers of ARPHRD_TUNNEL, _TUNNEL6, _SIT, _IPGRE, _IP6GRE and _NONE (WireGuard).
TUNNEL_TYPES = frozenset(("768", "769", "776", "778", "823", "65534"))


@dataclass(frozen=True)
class Counters:
    """Totals by device."""

    at_s: float
    disks: Mapping[str, Disk]
    interfaces: Mapping[str, Interface]


class SystemCollector(Collector):
    """Collects from this machine. Rates are per second since the sample before. `programs`: those
    of the node's role; without a role those of `status`, found by discovery."""

    name = "system"

    def __init__(
        self,
        *,
        node: str,
        programs: tuple[str, ...] = (),
        status: AgentStatus | None = None,
        port_changes: str = "",
        api_ports: Mapping[int, int | None] | None = None,
        proc: Path = Path("/proc"),
        sys: Path = Path("/sys"),
    ) -> None:
        self._node = node
        self._proc = proc
        self._sys = sys
        self._is_disk_known: dict[str, bool] = {}
        self._programs = programs
        self._status = status or AgentStatus()
        self._port_changes, self._api_ports = port_changes, api_ports
        self._processes = ProcessWatch(programs, proc=proc)
        if self._processes.hiding:
            logger.warning(
                "Processes of other users are hidden (hidepid=%s of /proc): programs that are not"
                " seen are not reported. `mallard-agent doctor` names the fix.",
                self._processes.hiding[0],
            )
        self._ports = PortWatch(proc=proc)
        self._before: Counters | None = None
        psutil.cpu_percent(percpu=True)
        self._made_s = clock.monotonic_s()

    def collect(self) -> bytes:
        return msgspec.json.encode(self.sample())

    def sample(self) -> SystemSample:
        """Return one sample. Raises CollectError."""
        try:
            processes = self._processes.read()
            # Without a role, the programs that run here, or did, decide which ports matter.
            seen = {name for name, its in processes.items() if its.status != "not_found"}
            known = self._programs or tuple(seen.union(self._status.programs))
            numbers = ports_of(known, self._port_changes, self._api_ports)
            ports = self._ports.begin(numbers)
            sample = SystemSample(
                node_id=self._node,
                timestamp=clock.utc_now(),
                system=self._readings(),
                processes=processes,
                services={},
            )
            # The connections were opened meanwhile.
            for number, answer in self._ports.finish(ports).items():
                sample.services[f"port_{number}"] = answer
            return sample
        except (psutil.Error, OSError, ValueError) as error:
            raise CollectError(f"the kernel's counters cannot be read: {error}") from error

    def _readings(self) -> SystemReadings:
        first = self._before is None
        if first:
            watched_s = clock.monotonic_s() - self._made_s
            time.sleep(min(max(0.0, MIN_FIRST_CPU_S - watched_s), MIN_FIRST_CPU_S))
        cores = psutil.cpu_percent(percpu=True)
        memory = psutil.virtual_memory()
        used = machine.without_arc(
            memory.used,
            memory.percent,
            total_bytes=memory.total,
            arc_bytes=machine.parse_arc(read_or_empty(self._proc / "spl/kstat/zfs/arcstats")),
        )
        disk = psutil.disk_usage("/")
        now = self._counters()
        before, self._before = self._before or now, now
        elapsed_s = 0.0 if first else now.at_s - before.at_s
        open_files = read_or_empty(self._proc / "sys/fs/file-nr").split()
        return SystemReadings(
            cpu_percent=round(min(sum(cores) / max(len(cores), 1), MAX_PERCENT), 1),
            cpu_cores=[Core(n, min(percent, MAX_PERCENT)) for n, percent in enumerate(cores)],
            ram_used_percent=used.used_percent,
            ram_used_bytes=used.used_bytes,
            ram_total_bytes=memory.total,
            disk_used_percent=disk.percent,
            disk_free_bytes=disk.free,
            disk_read_bytes_sec=rate(before.disks, now.disks, 0, elapsed_s),
            disk_write_bytes_sec=rate(before.disks, now.disks, 1, elapsed_s),
            net_rx_bytes_sec=rate(before.interfaces, now.interfaces, 0, elapsed_s),
            net_tx_bytes_sec=rate(before.interfaces, now.interfaces, 1, elapsed_s),
            net_rx_errors=sum(counts.rx_errors for counts in now.interfaces.values()),
            net_tx_errors=sum(counts.tx_errors for counts in now.interfaces.values()),
            load_avg=os.getloadavg(),
            tcp_established=machine.parse_established(read_or_empty(self._proc / "net/snmp")) or 0,
            tcp_time_wait=machine.parse_time_wait(read_or_empty(self._proc / "net/sockstat")) or 0,
            open_files=int(open_files[0]) if open_files else 0,
            uptime_seconds=int(clock.since_boot_s()),
            file_systems=read_file_systems(self._proc),
        )

    def _counters(self) -> Counters:
        disks = machine.parse_diskstats(read_or_empty(self._proc / "diskstats"))
        interfaces = machine.parse_net_dev(read_or_empty(self._proc / "net/dev"))
        return Counters(
            at_s=clock.monotonic_s(),
            disks=machine.drop_counted_paths(
                {name: counts for name, counts in disks.items() if self._is_disk(name)}
            ),
            interfaces={name: interfaces[name] for name in self._real(interfaces)},
        )

    def _is_disk(self, name: str) -> bool:
        """Return whether a block device is a disk: no partition, no volume or RAID above others,
        which would count the same bytes again, nothing in memory."""
        if name not in self._is_disk_known:
            folder = self._sys / "block" / name.replace("/", "!")
            parts = folder / "slaves"
            is_combined = parts.is_dir() and any(parts.iterdir())
            self._is_disk_known[name] = (
                folder.is_dir() and not is_combined and not name.startswith(NO_DISKS)
            )
        return self._is_disk_known[name]

    def _real(self, interfaces: Mapping[str, Interface]) -> list[str]:
        """Return the interfaces that count each byte once. Those with a device, since traffic of a
        bridge, bond, VLAN or tunnel passes one of them as well; of a pair that shares a card (a
        virtual function under netvsc or net_failover) the upper one, which counts both. Where none
        has a device, as in a container, those that are on nothing else and in no bridge."""
        names = [name for name in interfaces if name != LOOPBACK]
        with_device = {name for name in names if (self._net(name) / "device").exists()}
        if with_device:
            return [name for name in names if name in with_device - self._under(with_device)]
        outer = [name for name in names if not self._is_inner(name)]
        return outer or names

    def _under(self, names: set[str]) -> set[str]:
        """Return the interfaces whose master is one of `names` too."""
        masters = {name: self._net(name) / "master" for name in names}
        return {
            name
            for name, master in masters.items()
            if master.is_symlink() and master.readlink().name in names
        }

    def _is_inner(self, name: str) -> bool:
        """Return whether traffic of an interface without a device passes another one of this
        container: it is a bridge, in one, on top of another, or a tunnel."""
        folder = self._net(name)
        return (
            (folder / "bridge").exists()
            or (folder / "master").is_symlink()
            or any(folder.glob("lower_*"))
            or (folder / "tun_flags").exists()
            or read_or_empty(folder / "type").strip() in TUNNEL_TYPES
        )

    def _net(self, name: str) -> Path:
        return self._sys / "class/net" / name
