"""Faults: kills, cut connections, full memory and disk, each undone as a supervisor would."""

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import psycopg2
import redis

from build.lab import usage
from build.lab.installation import Installation
from build.stack.command import report_progress
from build.stack.errors import StartError
from build.stack.supervisor import Running

BACK_WITHIN_S = 20.0
POLL_S = 0.05
#: In how many cycles something else happens before the SIGKILL.
OTHER_SHARE = 0.5
#: Sessions of the server's processes.
SESSIONS = "FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
LIST_SESSIONS = f"SELECT pid {SESSIONS}"
CUT_SESSIONS = f"SELECT pg_terminate_backend(pid) {SESSIONS}"


class ServerFaults:
    """Seeded faults of one installation, and their counts. `spared`: programs that are not
    killed."""

    def __init__(
        self, installation: Installation, *, seed: int, spared: Sequence[str] = ()
    ) -> None:
        self._installation, self.seed = installation, seed
        self._victims = {
            name: each for name, each in installation.programs.items() if name not in spared
        }
        self._rng = random.Random(f"{seed}|harm")  # noqa: S311 (the same order for a seed)
        self.kills: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        #: Programs that did not come back by themselves, and had to be restarted.
        self.stuck: list[str] = []
        self._others: dict[str, Callable[[], object]] = {
            "connections to postgres cut": lambda: installation.query(CUT_SESSIONS),
            "connections to redis cut": lambda: installation.inbox.client_kill_filter(
                _type="normal", skipme=True
            ),
            "worker stopped for a while": self._stall_worker,
            "redis memory full": self._fill_memory,
        }
        if installation.inbox_disk is not None:
            ballast = installation.inbox_disk / "ballast"
            self._others["redis disk full"] = lambda: self._fill_disk(ballast)

    def inject(self) -> None:
        if self._rng.random() < OTHER_SHARE:
            name, act = self._rng.choice(list(self._others.items()))
            self.others[name] += 1
            with contextlib.suppress(psycopg2.Error, redis.RedisError):  # it is down already
                act()
        time.sleep(self._rng.uniform(0.1, 1.0))
        self._rng.choice((self._kill_program, self._kill_program, self._kill_process))()

    def _kill_program(self) -> None:
        """SIGKILL a program with all its processes; start it again after a moment."""
        name, running = self._rng.choice(list(self._victims.items()))
        self.kills[name] += 1
        running.kill()
        time.sleep(self._rng.uniform(0, 1.0))
        start_again(name, running)

    def _kill_process(self) -> None:
        """SIGKILL one process below a program's first, as the kernel does out of memory."""
        # Redis is one process: there is none below its first.
        name = self._rng.choice([name for name in self._victims if name != "redis"])
        running = self._victims[name]
        children = usage.list_processes(running.pid)[1:]
        if name == "postgres":
            sessions: set[int] = set()
            with contextlib.suppress(psycopg2.Error):
                sessions = {pid for (pid,) in self._installation.query(LIST_SESSIONS)}
            children = [child for child in children if child.pid in sessions]
        if not children:
            self._kill_program()
            return
        self.kills[f"{name}, one process"] += 1
        victim = self._rng.choice(children)
        victim.kill()
        deadline = time.monotonic() + BACK_WITHIN_S
        with contextlib.suppress(psutil.TimeoutExpired):
            victim.wait(BACK_WITHIN_S)
        while running.exit_code is None and not is_well(running):
            if time.monotonic() > deadline:
                self.stuck.append(f"{name}: alive and not well after one of its processes died")
                running.stop()
            time.sleep(POLL_S)
        if running.exit_code is not None:
            running.stop()  # what a dead leader left
            start_again(name, running)

    def _stall_worker(self) -> None:
        """Stop a worker for longer than its wake-up lasts, as a machine that swaps does."""
        running = self._rng.choice(list(self._installation.workers.values()))
        processes = usage.list_processes(running.pid)
        for number, pause_s in ((signal.SIGSTOP, self._rng.uniform(1.0, 5.0)), (signal.SIGCONT, 0)):
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            time.sleep(pause_s)

    def _fill_memory(self) -> None:
        self._installation.inbox.config_set("maxmemory", "1")
        time.sleep(self._rng.uniform(0.5, 3.0))
        self._installation.inbox.config_set("maxmemory", "0")

    def _fill_disk(self, ballast: Path) -> None:
        """Fill the inbox's disk to the last byte. Redis ends when it cannot write its file."""
        running = self._installation.redis.running
        try:
            with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 65536)
            time.sleep(self._rng.uniform(0.5, 3.0))
        finally:
            ballast.unlink(missing_ok=True)
        time.sleep(POLL_S)
        if running.exit_code is not None:
            self.others["redis ended by itself on the full disk"] += 1
            running.stop()
            start_again("redis", running)


def start_again(name: str, running: Running) -> None:
    """Start a program again, as often as it takes within a minute."""
    deadline = time.monotonic() + 3 * BACK_WITHIN_S
    while True:
        try:
            return running.start_again()
        except StartError:
            if time.monotonic() > deadline:
                raise
            report_progress(f"  {name} did not start at once; again")


def is_well(running: Running) -> bool:
    """Return whether a program works; of a worker, which has no port, whether it has processes."""
    if running.program.is_ready is not None:
        return running.program.is_ready()
    return len(usage.list_processes(running.pid)) > 1
