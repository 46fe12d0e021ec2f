"""Mail programs recognised by their entries in /proc. Pure.

A name somewhere in the arguments proves nothing: `vim /opt/zone-mta/app.js`, `grep haraka` and a
shell that waits for either have it too. So the running program decides: redis-server, mongod and
rspamd by their executable; ZoneMTA, WildDuck and Haraka by being Node.js and by the title they set,
or by the script that Node.js was started with.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

COMM_LENGTH = 15  # the kernel truncates it there

BY_NAME = {
    "redis-server": "redis",
    "valkey-server": "redis",
    "mongod": "mongodb",
    "rspamd": "rspamd",
}
# Debian's redis-server is a link to redis-check-rdb, and the kernel may name it so.
NAMES = BY_NAME.keys() | {"redis-check-rdb", "redis-check-aof"}
NODE = {"node", "nodejs"}
# Titles are "zone-mta: sender/default"; Node.js writes one over its arguments.
TITLE = re.compile(r"(?P<name>zone-mta|zonemta|wildduck|haraka)(?::|\s*$)", re.IGNORECASE)
FOLDERS = {
    "zone-mta": "zonemta",
    "zonemta": "zonemta",
    "zone-mta-template": "zonemta",
    "wildduck": "wildduck",
    "haraka": "haraka",
}
# Options of Node.js whose value is the next argument.
NODE_OPTIONS_WITH_VALUE = {"-r", "--require", "--import", "--loader", "-C", "--conditions"}
NODE_OPTIONS_WITHOUT_SCRIPT = {"-e", "--eval", "-p", "--print", "--test", "-c", "--check", "-i"}

STOPPED_STATES = frozenset("TtZX")


@dataclass(frozen=True)
class Stat:
    """One process. Times in clock ticks since boot or of processor, memory in pages."""

    pid: int
    comm: str
    state: str
    parent: int
    cpu_ticks: int
    started_ticks: int
    resident_pages: int

    @property
    def key(self) -> tuple[int, int]:
        """Identity of the process: its number may be used again."""
        return self.pid, self.started_ticks


def parse_stat(text: str) -> Stat:
    """Return the fields of /proc/PID/stat. Raises ValueError. The name may contain even ")"."""
    before, bracket, after = text.rpartition(")")
    pid, _, comm = before.partition(" (")
    columns = after.split()
    if not bracket or len(columns) < 22:  # noqa: PLR2004 (proc(5): fields 3 to 24)
        raise ValueError("not a line of /proc/PID/stat")
    return Stat(
        pid=int(pid),
        comm=comm,
        state=columns[0],
        parent=int(columns[1]),
        cpu_ticks=int(columns[11]) + int(columns[12]),
        started_ticks=int(columns[19]),
        resident_pages=int(columns[21]),
    )


def may_be_watched(comm: str) -> bool:
    """Return whether a process of this name may be a mail program, so that its arguments are
    read."""
    return (
        comm in NAMES
        or comm in NODE
        or comm == "MainThread"  # Node.js from 24 on names its first thread
        or TITLE.match(comm) is not None
    )


def program_of(comm: str, arguments: Sequence[str], *, folder: str = "") -> str | None:
    """Return the program of a process, None for any other. `folder`: its working directory where
    readable, for a script with a relative path."""
    if not arguments:
        return None  # a thread of the kernel, or a zombie
    name = PurePosixPath(arguments[0].split(" ", 1)[0]).name.rstrip(":")
    if comm in NAMES:
        return BY_NAME.get(name)  # not by `comm` alone: a script of that name has it too
    if name in NODE:
        return _program_of_script(arguments[1:], folder)
    # A title: Node.js makes it the only argument, and its beginning the kernel's name.
    title = TITLE.match(arguments[0])
    if title and comm == arguments[0][:COMM_LENGTH].rstrip():
        return FOLDERS[title["name"].lower()]
    return None


def _program_of_script(arguments: Sequence[str], folder: str) -> str | None:
    values = iter(arguments)
    for argument in values:
        if argument in NODE_OPTIONS_WITHOUT_SCRIPT:
            return None
        if argument in NODE_OPTIONS_WITH_VALUE:
            next(values, None)
        elif not argument.startswith("-"):
            path = PurePosixPath(folder or "/") / argument
            # The innermost folder decides: /opt/wildduck/node_modules/zone-mta/app.js.
            for part in [path.stem, *(parent.name for parent in path.parents)]:
                if program := FOLDERS.get(part.lower()):
                    return program
            return None
    return None
