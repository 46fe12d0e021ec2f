"""A private Redis that loses nothing it acknowledged: its file is synced at every write."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import redis

from build.stack.errors import MissingError
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Program, Running, Supervisor

CONNECT_TIMEOUT_SECONDS = 2


@dataclass(frozen=True)
class Redis:
    """A started server; `url` names no database, so append `/0` to `/15`."""

    port: int
    url: str
    running: Running


def start(supervisor: Supervisor, directory: Path, *, port: int | None = None) -> Redis:
    """Start one with its data in `directory`/redis."""
    home = directory / "redis"
    home.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    running = supervisor.start(
        Program(
            name="redis",
            argv=[
                *(server_program(home), "--port", str(port), "--bind", LOOPBACK),
                *("--dir", home, "--appendonly", "yes", "--appendfsync", "always", "--save", ""),
                *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
            ],
            is_ready=lambda: _answers(port),
        )
    )
    return Redis(port=port, url=url_at(port), running=running)


def url_at(port: int) -> str:
    """Return the address of one at `port`, without a database."""
    return f"redis://{LOOPBACK}:{port}"


def server_program(home: Path) -> Path:
    """Return a redis-server. Raise MissingError when there is none.

    Debian's redis-tools has it under another name (the program looks at its own name), without the
    system service that the package redis-server starts.
    """
    if program := shutil.which("redis-server"):
        return Path(program)
    twin = shutil.which("redis-check-rdb")
    if twin is None:
        message = (
            "there is no Redis (on Debian: apt-get install redis-tools). "
            "Or give the address of one: REDIS_URL=redis://host:6379"
        )
        raise MissingError(message)
    link = home / "redis-server"
    link.unlink(missing_ok=True)
    link.symlink_to(twin)
    return link


def _answers(port: int) -> bool:
    client = redis.Redis(LOOPBACK, port, socket_timeout=CONNECT_TIMEOUT_SECONDS)
    with contextlib.closing(client):
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
