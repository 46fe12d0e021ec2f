"""CPU time and memory of processes, from /proc."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from build.stack.supervisor import Running

MB, MIB = 1_000_000, 1024 * 1024
NS_PER_S = 1_000_000_000


def read_cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its children, ended ones included."""
    return _sum_tree(pid, lambda process: sum(process.cpu_times()[:4]))


def read_pss_bytes(pid: int) -> float:
    """Return the memory of a process and its children; shared pages divided among their users."""
    return _sum_tree(pid, lambda process: process.memory_full_info().pss)


def read_rss_bytes(pid: int) -> float:
    """Return the resident memory of a process and its children."""
    return _sum_tree(pid, lambda process: process.memory_info().rss)


def read_all_cpu_s(programs: Mapping[str, Running]) -> dict[str, float]:
    """Return the CPU time of each program by name."""
    return {name: read_cpu_s(running.pid) for name, running in programs.items()}


def read_threads(pid: int) -> tuple[dict[str, float], int]:
    """Return the CPU time of living threads by name, and how often they have gone to sleep."""
    cpu_s: dict[str, float] = {}
    wakeups = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            name = (task / "comm").read_text().strip()
            used_ns = int((task / "schedstat").read_text().split()[0])
            cpu_s[name] = cpu_s.get(name, 0.0) + used_ns / NS_PER_S
            _, _, switches = (task / "status").read_text().partition("\nvoluntary_ctxt_switches:")
            wakeups += int(switches.split()[0])
    return cpu_s, wakeups


def list_processes(pid: int) -> list[psutil.Process]:
    """Return a process and those below it; none when it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    return []


def _sum_tree(pid: int, read: Callable[[psutil.Process], float]) -> float:
    total = 0.0
    for process in list_processes(pid):
        with contextlib.suppress(psutil.Error):
            total += read(process)
    return total
