"""A private Redis; unless it is for tests, its file is synced at every write."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from build.stack.errors import MissingError
from build.stack.ports import LOOPBACK, answers, free_port
from build.stack.supervisor import Program, Running, Supervisor


@dataclass(frozen=True)
class Redis:
    """A started server; `url` names no database, so append `/0` to `/15`."""

    port: int
    url: str
    running: Running


def start(
    supervisor: Supervisor, directory: Path, *, port: int | None = None, durable: bool = True
) -> Redis:
    """Start one with its data in `directory`/redis. Without `durable` a power cut may lose some."""
    home = directory / "redis"
    home.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    program = Program(
        name="redis",
        argv=[
            *(server_program(home), "--port", str(port), "--bind", LOOPBACK),
            *("--dir", home, "--appendonly", "yes", "--save", ""),
            *("--appendfsync", "always" if durable else "no"),
            *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
        ],
        # While it loads its file it answers with an error.
        is_ready=lambda: answers(port, send=b"PING\r\n", greeting=b"+PONG"),
    )
    return Redis(port, url_at(port), supervisor.start(program))


def url_at(port: int) -> str:
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
        raise MissingError(
            "there is no Redis (on Debian: apt-get install redis-tools). "
            "Or give the address of one: REDIS_URL=redis://host:6379"
        )
    link = home / "redis-server"
    link.unlink(missing_ok=True)
    link.symlink_to(twin)
    return link
