"""CPU time and memory of a process with its children, from /proc."""

import contextlib
from collections.abc import Callable

import psutil


def read_cpu_s(pid: int) -> float:
    """Return the CPU time, that of ended children included."""
    return _sum_tree(pid, lambda process: sum(process.cpu_times()[:4]))


def read_pss_mb(pid: int) -> float:
    """Return the memory; shared pages are divided among their users."""
    return _sum_tree(pid, lambda process: process.memory_full_info().pss) / 1e6


def read_rss_mib(pid: int) -> float:
    return _sum_tree(pid, lambda process: process.memory_info().rss) / 1024**2


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
