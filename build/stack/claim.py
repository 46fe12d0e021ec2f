"""One run at a time in a directory: a lock that dies with the runner, and a note for the second."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from build.stack.errors import AlreadyRunningError


@dataclass(frozen=True)
class Claim:
    """The right to run in a directory, held until the block ends or the process dies."""

    note: Path

    def say(self, **facts: object) -> None:
        """Write what a second runner should be told, for example the address."""
        own = {"pid": os.getpid(), "created_at": psutil.Process().create_time()}
        self.note.write_text(json.dumps(own | facts))


@contextlib.contextmanager
def claimed(directory: Path) -> Iterator[Claim]:
    """Hold `directory` for this run. Raise AlreadyRunningError when another does."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(read_note(directory)) from error
        claim = Claim(directory / "runner.json")
        claim.say()
        try:
            yield claim
        finally:
            claim.note.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold the file `lock`, made with its folder, for the block; wait for who else holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_claimed(directory: Path) -> bool:
    """Return whether a living run holds `directory`."""
    try:
        with (directory / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def read_note(directory: Path) -> dict[str, object]:
    """Return what the runner wrote about itself; empty when it has not yet."""
    try:
        note = json.loads((directory / "runner.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def runner_of(directory: Path) -> psutil.Process | None:
    """Return the living process that holds `directory`, checked by number and start time."""
    note = read_note(directory)
    pid, created_at = note.get("pid"), note.get("created_at")
    if not is_claimed(directory) or not isinstance(pid, int) or not isinstance(created_at, float):
        return None
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if abs(process.create_time() - created_at) < 1:
            return process
    return None
