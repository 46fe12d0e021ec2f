"""Processes of this node's mail programs: state, memory and processor time.

Source: /proc/PID/stat of every process, and its arguments where the name may be one of ours. Other
users' working directories cannot be read without rights; then they are ignored.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from agent import clock
from agent.parsers.mounts import find_hidepid
from agent.parsers.processes import STOPPED_STATES, Stat, may_be_watched, parse_stat, program_of
from agent.roles import PROGRAMS
from agent.samples import ProcessReadings

VISIBLE = ("0", "off")  # values of hidepid
_MB = 10**6
_MAX_STAT_BYTES = 4096
# Validity of a process's program once it was found twice: a young process changes its title.
_VALID_S = 300.0


@dataclass
class _Known:
    """The program of one process, valid until a time while it keeps its name."""

    program: str | None
    comm: str
    until_s: float


class ProcessWatch:
    """Finds the programs. `programs`: those of the node's role, reported even when absent."""

    def __init__(self, programs: tuple[str, ...] = (), *, proc: Path = Path("/proc")) -> None:
        self.hiding = find_hiding(proc)
        # Of those that cannot be seen nothing is known, not even that they do not run.
        self._expected = () if self.hiding else programs or PROGRAMS
        self._proc = proc
        self._tick_hz = os.sysconf("SC_CLK_TCK")
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._known: dict[tuple[int, int], _Known] = {}
        self._ticks: dict[tuple[int, int], int] = {}
        self._started: dict[tuple[int, int], datetime] = {}
        self._at_s = 0.0
        self._seen: set[str] = set()

    def read(self) -> dict[str, ProcessReadings]:
        """Return each program's readings, all its processes together; where processes are hidden,
        only of those that are seen."""
        now_s = clock.monotonic_s()
        found: dict[str, list[Stat]] = {}
        ticks: dict[tuple[int, int], int] = {}
        for stat in self._stats():
            if program := self._program(stat, now_s):
                found.setdefault(program, []).append(stat)
                ticks[stat.key] = stat.cpu_ticks
        readings = {
            program: self._readings(program, found.get(program, []), now_s)
            for program in PROGRAMS
            if program in found or program in self._expected or program in self._seen
        }
        self._ticks, self._at_s = ticks, now_s
        self._seen |= found.keys()
        return readings

    def _stats(self) -> Iterator[Stat]:
        """Yield the processes whose name may be one of ours. Of the hundreds of others only the
        name is parsed: this runs every few seconds."""
        alive: set[tuple[int, int]] = set()
        for name in os.listdir(self._proc):  # noqa: PTH208 (a path object for each costs as much)
            if not name.isdecimal():
                continue
            with suppress(OSError, ValueError):  # it ended meanwhile
                line = _line(f"{self._proc}/{name}/stat")
                if may_be_watched(line[line.find("(") + 1 : line.rfind(")")]):
                    stat = parse_stat(line)
                    alive.add(stat.key)
                    yield stat
        for gone in self._known.keys() - alive:
            del self._known[gone]

    def _program(self, stat: Stat, now_s: float) -> str | None:
        known = self._known.get(stat.key)
        if known and (
            (now_s < known.until_s and stat.comm == known.comm) or stat.state in STOPPED_STATES
        ):
            return known.program
        program = None
        folder = self._proc / str(stat.pid)
        with suppress(OSError):
            raw = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
            where = ""
            with suppress(OSError):
                where = str((folder / "cwd").readlink())
            arguments = [part for part in raw.rstrip("\0").split("\0") if part]
            program = program_of(stat.comm, arguments, folder=where)
        until_s = now_s + _VALID_S if known and known.program == program else now_s
        self._known[stat.key] = _Known(program, stat.comm, until_s)
        return program

    def _readings(self, program: str, stats: list[Stat], now_s: float) -> ProcessReadings:
        running = [stat for stat in stats if stat.state not in STOPPED_STATES]
        if not running:
            stopped = bool(stats) or program in self._seen
            return ProcessReadings(status="stopped" if stopped else "not_found")
        pids = {stat.pid for stat in running}
        # The master: started by none of its own kind; of several the oldest.
        masters = [stat for stat in running if stat.parent not in pids] or running
        master = min(masters, key=lambda stat: (stat.started_ticks, stat.pid))
        pages = sum(stat.resident_pages for stat in running)
        return ProcessReadings(
            status="running",
            pid=master.pid,
            memory_mb=round(pages * self._page_bytes / _MB, 1),
            cpu_percent=self._cpu_percent(running, now_s - self._at_s),
            processes_count=len(running),
            started_at=self._started_at(master),
        )

    def _started_at(self, stat: Stat) -> datetime:
        # Stored as first computed: the two clocks are not read at once, and a start that moves by a
        # second would look like another one.
        if stat.key not in self._started:
            ago_s = clock.since_boot_s() - stat.started_ticks / self._tick_hz
            at = (clock.utc_now() - timedelta(seconds=ago_s)).replace(microsecond=0)
            self._started = {key: at for key, at in self._started.items() if key in self._ticks}
            self._started[stat.key] = at
        return self._started[stat.key]

    def _cpu_percent(self, stats: list[Stat], elapsed_s: float) -> float | None:
        # A process without ticks from the last round is new or newly recognised: it counts from the
        # next one on. The last seconds of one that ended are lost.
        used = [stat.cpu_ticks - self._ticks[stat.key] for stat in stats if stat.key in self._ticks]
        if not used:
            return None
        return round(100 * max(sum(used), 0) / self._tick_hz / max(elapsed_s, 0.001), 1)


def find_hiding(proc: Path = Path("/proc")) -> tuple[str, str] | None:
    """Return the options hidepid and gid of /proc where they hide other users' processes from this
    one; None where they do not."""
    try:
        options = find_hidepid((proc / "self/mountinfo").read_text(errors="replace"))
    except OSError:
        return None
    with suppress(OSError):
        # Root's: a user in the group of `gid` sees it too.
        if options[0] in VISIBLE or (proc / "1/stat").read_bytes():
            return None
    return options


def _line(path: str) -> str:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, _MAX_STAT_BYTES).decode("utf-8", "replace")
    finally:
        os.close(file)
