"""Faults: kills, cut connections, full memory and disk, each undone as a supervisor would."""

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

import psutil
import psycopg2
import redis

from build.lab.delivery import wait_until
from build.lab.installation import Installation
from build.lab.report import report_progress
from build.stack.errors import StartError
from build.stack.supervisor import Running

BACK_WITHIN_S = 20.0
POLL_S = 0.05
BALLAST = "ballast"
#: In how many cycles something else happens before the SIGKILL.
OTHER_SHARE = 0.5
SESSIONS = "pg_stat_activity WHERE usename = 'mallard'"


class ServerFaults:
    """Seeded faults of one installation, and their counts."""

    def __init__(self, installation: Installation, *, seed: int) -> None:
        self._installation = installation
        self._rng = random.Random(f"{seed}|harm")  # noqa: S311 (the same order for a seed)
        self.kills: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        #: Programs that did not come back by themselves, and had to be restarted.
        self.stuck: list[str] = []
        self._others: list[tuple[str, Callable[[], object]]] = [
            ("connections to postgres cut", self._cut_postgres),
            ("connections to redis cut", self._cut_redis),
            ("worker stopped for a while", self._stall_worker),
            ("redis memory full", self._fill_memory),
        ]
        if installation.inbox_disk is not None:
            self._others.append(("redis disk full", self._fill_disk))

    def inject(self) -> None:
        """Run one cycle: sometimes another fault first, then one SIGKILL."""
        if self._rng.random() < OTHER_SHARE:
            name, act = self._rng.choice(self._others)
            self.others[name] += 1
            with contextlib.suppress(psycopg2.Error, redis.RedisError):  # it is down already
                act()
        time.sleep(self._rng.uniform(0.1, 1.0))
        kill = self._rng.choice((self._kill_program, self._kill_program, self._kill_process))
        kill()

    def _kill_program(self) -> None:
        """SIGKILL a program with all its processes; start it again after a moment."""
        name, running = self._rng.choice(list(self._installation.programs.items()))
        self.kills[name] += 1
        running.kill()
        time.sleep(self._rng.uniform(0, 1.0))
        start_again(name, running)

    def _kill_process(self) -> None:
        """SIGKILL one process below a program's first, as the kernel does out of memory."""
        name = self._rng.choice(("web", *self._installation.workers, "live", "postgres"))
        running = self._installation.programs[name]
        children = psutil.Process(running.pid).children(recursive=True)
        if name == "postgres":
            sessions: set[int] = set()
            with contextlib.suppress(psycopg2.Error):
                sessions = {pid for (pid,) in self._query_postgres(f"SELECT pid FROM {SESSIONS}")}  # noqa: S608
            children = [child for child in children if child.pid in sessions]
        if not children:
            self._kill_program()
            return
        self.kills[f"{name}, one process"] += 1
        victim = self._rng.choice(children)
        victim.kill()
        with contextlib.suppress(psutil.TimeoutExpired):
            victim.wait(BACK_WITHIN_S)
        wait_until(
            lambda: running.exit_code is not None or is_well(running),
            within_s=BACK_WITHIN_S,
            poll_s=POLL_S,
        )
        if running.exit_code is None and not is_well(running):
            self.stuck.append(f"{name}: alive and not well after one of its processes died")
        if running.exit_code is not None or not is_well(running):
            running.stop()  # what a dead leader left
            start_again(name, running)

    def _cut_postgres(self) -> None:
        """End every session of the server's processes."""
        self._query_postgres(f"SELECT pg_terminate_backend(pid) FROM {SESSIONS}")  # noqa: S608

    def _cut_redis(self) -> None:
        with self._connect_redis() as client:
            client.client_kill_filter(_type="normal", skipme=True)

    def _stall_worker(self) -> None:
        """Stop a worker for longer than its wake-up lasts, as a machine that swaps does."""
        running = self._rng.choice(list(self._installation.workers.values()))
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(running.pid)
            processes = [leader, *leader.children(recursive=True)]
            send_signal(processes, signal.SIGSTOP)
            time.sleep(self._rng.uniform(1.0, 5.0))
            send_signal(processes, signal.SIGCONT)

    def _fill_memory(self) -> None:
        """Let Redis refuse writes for a while, as it does at its memory bound."""
        with self._connect_redis() as client:
            client.config_set("maxmemory", "1")
            time.sleep(self._rng.uniform(0.5, 3.0))
            client.config_set("maxmemory", "0")

    def _fill_disk(self) -> None:
        """Fill the inbox's disk to the last byte. Redis ends when it cannot write its file."""
        assert self._installation.inbox_disk is not None  # noqa: S101 (not chosen otherwise)
        ballast = self._installation.inbox_disk / BALLAST
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

    def _query_postgres(self, query: str) -> list[tuple[int]]:
        url = self._installation.postgres.superuser_url
        connecting = contextlib.closing(psycopg2.connect(url, connect_timeout=5))
        with connecting as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def _connect_redis(self) -> "redis.Redis":
        return redis.Redis.from_url(f"{self._installation.redis.url}/0", socket_timeout=5.0)


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
    with contextlib.suppress(psutil.Error):
        return len(psutil.Process(running.pid).children(recursive=True)) > 0
    return False


def send_signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to those that still run."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
