"""What is done to the running arrangement, and undone as its supervisor would."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg2
import redis

from build.bench.arrangement import Arrangement, say
from build.stack.errors import StartError
from build.stack.supervisor import Running

COMES_BACK_WITHIN_S = 20.0
POLL_S = 0.05
BALLAST = "ballast"
#: In how many cycles something else happens before the SIGKILL.
OTHER_SHARE = 0.5


class Harm:
    """Does seeded harm to one arrangement, and counts it."""

    def __init__(self, arrangement: Arrangement, *, seed: int, disk: Path | None) -> None:
        self._arrangement = arrangement
        self._rng = random.Random(f"{seed}|harm")  # noqa: S311 (the same order for a seed)
        self._disk = disk
        self.kills: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        #: What did not come back by itself, and had to be restarted by hand.
        self.stuck: list[str] = []
        self._others: list[tuple[str, Callable[[], None]]] = [
            ("connections to postgres cut", self._cut_postgres),
            ("connections to redis cut", self._cut_redis),
            ("worker stopped for a while", self._stall_worker),
            ("redis memory full", self._fill_memory),
        ]
        if disk is not None:
            self._others.append(("redis disk full", self._fill_disk))

    def do(self) -> None:
        """One cycle: sometimes something else first, then one SIGKILL."""
        if self._rng.random() < OTHER_SHARE:
            name, act = self._rng.choice(self._others)
            self.others[name] += 1
            act()
        time.sleep(self._rng.uniform(0.1, 1.0))
        kill = self._rng.choice((self._kill_whole, self._kill_whole, self._kill_part))
        kill()

    def _kill_whole(self) -> None:
        """SIGKILL a program with all its processes; start it again after a moment."""
        name, running = self._rng.choice(list(self._arrangement.programs.items()))
        self.kills[name] += 1
        running.kill()
        time.sleep(self._rng.uniform(0, 1.0))
        self._start(name, running)

    def _kill_part(self) -> None:
        """SIGKILL one process below a program's first, as the kernel does out of memory."""
        name = self._rng.choice(("web", *self._arrangement.workers, "live", "postgres"))
        running = self._arrangement.programs[name]
        children = psutil.Process(running.pid).children(recursive=True)
        if name == "postgres":
            children = [child for child in children if child.pid in self._backends()]
        if not children:
            self._kill_whole()
            return
        self.kills[f"{name}, one process"] += 1
        victim = self._rng.choice(children)
        victim.kill()
        deadline = time.monotonic() + COMES_BACK_WITHIN_S
        while victim.is_running() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        while running.exit_code is None and not _is_well(running):
            if time.monotonic() > deadline:
                self.stuck.append(f"{name}: alive and not well after one of its processes died")
                break
            time.sleep(POLL_S)
        if running.exit_code is not None or time.monotonic() > deadline:
            running.stop()  # what a dead leader left
            self._start(name, running)

    def _start(self, name: str, running: Running) -> None:
        """Start a program again, as often as it takes within a minute."""
        deadline = time.monotonic() + 3 * COMES_BACK_WITHIN_S
        while True:
            try:
                running.start_again()
            except StartError:
                if time.monotonic() > deadline:
                    raise
                say(f"  {name} did not start at once; again")
            else:
                return

    def _backends(self) -> set[int]:
        with contextlib.suppress(psycopg2.Error):
            rows = self._superuser("SELECT pid FROM pg_stat_activity WHERE usename = 'mallard'")
            return {pid for (pid,) in rows}
        return set()

    def _cut_postgres(self) -> None:
        """End every session of the server's processes."""
        with contextlib.suppress(psycopg2.Error):
            self._superuser(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'mallard'"
            )

    def _cut_redis(self) -> None:
        """Close every connection to Redis."""
        with contextlib.suppress(redis.RedisError), self._redis() as client:
            client.client_kill_filter(_type="normal", skipme=True)

    def _stall_worker(self) -> None:
        """Stop the worker for longer than its wake-up lasts, as a machine that swaps does."""
        running = self._rng.choice(list(self._arrangement.workers.values()))
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(running.pid)
            family = [leader, *leader.children(recursive=True)]
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGSTOP)
            time.sleep(self._rng.uniform(1.0, 5.0))
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    def _fill_memory(self) -> None:
        """Let Redis refuse writes for a while, as it does at its memory bound."""
        with contextlib.suppress(redis.RedisError), self._redis() as client:
            client.config_set("maxmemory", "1")
            time.sleep(self._rng.uniform(0.5, 3.0))
            client.config_set("maxmemory", "0")

    def _fill_disk(self) -> None:
        """Fill the inbox's disk to the last byte. Redis ends when it cannot write its file."""
        assert self._disk is not None  # noqa: S101 (not among the choices otherwise)
        ballast = self._disk / BALLAST
        running = self._arrangement.redis.running
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
            self._start("redis", running)

    def _superuser(self, query: str) -> list[tuple[int]]:
        url = self._arrangement.postgres.superuser_url
        with (
            contextlib.closing(psycopg2.connect(url, connect_timeout=5)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query)
            return cursor.fetchall()

    def _redis(self) -> "redis.Redis":
        return redis.Redis.from_url(f"{self._arrangement.redis.url}/0", socket_timeout=5.0)


def _is_well(running: Running) -> bool:
    if running.program.is_ready is not None:
        return running.program.is_ready()
    with contextlib.suppress(
        psutil.Error
    ):  # the worker answers nobody: its processes must be there
        return len(psutil.Process(running.pid).children(recursive=True)) > 0
    return False


def may_mount() -> bool:
    """Return whether this process may mount a disk of its own size."""
    return os.getuid() == 0
