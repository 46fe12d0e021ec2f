"""CPU and memory of the programs, from /proc."""

import contextlib
from collections.abc import Mapping

import psutil

from build.stack.supervisor import Running

MIB = 1024 * 1024


def cpu_seconds(running: Running) -> float:
    """Return the CPU time of a program and everything below it, the ended children included."""
    total = 0.0
    for process in _tree(running.pid):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def all_cpu_seconds(programs: Mapping[str, Running]) -> dict[str, float]:
    """Return the CPU time of each program by name."""
    return {name: cpu_seconds(running) for name, running in programs.items()}


def all_memory_mib(programs: Mapping[str, Running]) -> dict[str, float]:
    """Return the memory of each program by name: shared pages are divided among their users."""
    found = {}
    for name, running in programs.items():
        total = 0
        for process in _tree(running.pid):
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        found[name] = total / MIB
    return found


def _tree(pid: int) -> list[psutil.Process]:
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
