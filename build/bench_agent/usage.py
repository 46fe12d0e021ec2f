"""What a process takes of the machine, from /proc."""

import os
import re
from pathlib import Path

MB = 1_000_000
NS = 1_000_000_000
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process, its ended threads included, in steps of a tick."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def pss_mb(pid: int) -> float:
    """Return the memory of a process, shared pages divided among their users."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 / MB if found else 0.0


def thread_cpu_s(pid: int) -> dict[str, float]:
    """Return the CPU time of each living thread by its name; of the same name, together."""
    found: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            spent_ns = int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue  # it has ended
        found[name] = found.get(name, 0.0) + spent_ns / NS
    return found


def wakeups(pid: int) -> int:
    """Return how often its threads have gone to sleep by themselves."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "status").read_text()
        except OSError:
            continue
        found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE)
        total += int(found[1]) if found else 0
    return total
