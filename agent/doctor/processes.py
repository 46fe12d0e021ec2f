"""Checks of what the agent may see of other users' processes, and of what they may do here."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.collectors.processes import ProcessWatch, find_hiding
from agent.config import Config
from agent.doctor.finding import Finding
from agent.events.receiver.server import SOCKET_NAME

# The programs with a plugin of ours.
PROGRAMS = ("zonemta", "haraka")


@dataclass(frozen=True)
class User:
    """The user and the groups that a process runs with."""

    uid: int
    groups: frozenset[int]


def check_processes(config: Config, *, proc: Path = Path("/proc")) -> Iterator[Finding]:
    """Check /proc, and whether mail programs may open the socket of the agent."""
    if hiding := find_hiding(proc):
        yield judge_hidden(*hiding)
    path = Path(config.runtime_dir) / SOCKET_NAME
    if not config.receiver.enabled or not path.exists():
        return
    for program, its in ProcessWatch(PROGRAMS, proc=proc).read().items():
        user = parse_user(_read(proc / str(its.pid) / "status")) if its.pid else None
        if user is not None and program in PROGRAMS:
            yield from judge_access(program, user, path)


def judge_hidden(hidepid: str, gid: str) -> Finding:
    """Return the finding about processes that an option of /proc hides from all but a group."""
    how = (
        f"Add the agent's user to the group {gid} (usermod -aG {gid} mallard-agent)"
        if gid
        else "Remount it with a group that may see them (mount -o remount,gid=GROUP /proc, and in"
        " /etc/fstab) and add the agent's user to that group"
    )
    return Finding(
        "warning",
        "processes",
        f"/proc is mounted with hidepid={hidepid}, so processes of other users are invisible: what"
        " mail programs use is not known, nor whether they run.",
        f"{how}, then restart the agent. In a unit of one's own: no ProtectProc=.",
    )


def parse_user(status: str) -> User | None:
    """Return the effective user and all groups in a text of /proc/PID/status. Pure."""
    rows = dict(line.partition(":")[::2] for line in status.splitlines())
    uids, gids = rows.get("Uid", "").split(), rows.get("Gid", "").split()
    numbers = [*uids, *gids, *rows.get("Groups", "").split()]
    if len(uids) < 2 or len(gids) < 2 or not all(map(str.isdecimal, numbers)):  # noqa: PLR2004
        return None
    return User(int(uids[1]), frozenset(map(int, [gids[1], *rows.get("Groups", "").split()])))


def judge_access(program: str, user: User, path: Path) -> Iterator[Finding]:
    """Yield a finding when a program's user may not reach or open the socket."""
    for place in [*reversed(path.parents), path]:
        try:
            found = place.stat()
        except OSError:
            return  # seen by its plugin's own log
        wanted = stat.S_IWOTH if place == path else stat.S_IXOTH
        if not may(user, found, wanted):
            yield Finding(
                "warning",
                "plugin",
                f"{program} runs as user {user.uid}, which may not use {place} (mode"
                f" {stat.S_IMODE(found.st_mode):o}, group {found.st_gid}): its plugin cannot report"
                " to the agent.",
                f"Add its user to the group {found.st_gid} (usermod -aG) and restart {program}, or"
                " set socket_group of [receiver] to a group it is in, and socket_mode to 660.",
            )
            return
    yield Finding("ok", "plugin", f"The user of {program} may open {path}.")


def may(user: User, found: os.stat_result, wanted: int) -> bool:
    """Return whether the mode of a file gives a user the right `wanted`, a bit of others. Pure."""
    if user.uid == 0:
        return True
    if user.uid == found.st_uid:
        wanted <<= 6
    elif found.st_gid in user.groups:
        wanted <<= 3
    return bool(found.st_mode & wanted)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
