"""One run at a time in a directory: a lock that dies with the runner, and a note for the second."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from build.stack.errors import AlreadyRunningError


@dataclass(frozen=True)
class Claim:
    """The right to run in a directory, held until the block ends or the process dies."""

    path: Path

    def write_note(self, **facts: object) -> None:
        """Write facts for a second runner, for example the address."""
        own = {"pid": os.getpid(), "created_at": psutil.Process().create_time()}
        self.path.write_text(json.dumps(own | facts))


@contextlib.contextmanager
def claim_directory(directory: Path) -> Iterator[Claim]:
    """Hold `directory` for this run. Raise AlreadyRunningError when another does."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError(read_note(directory)) from error
        claim = Claim(directory / "runner.json")
        claim.write_note()
        try:
            yield claim
        finally:
            claim.path.unlink(missing_ok=True)


@contextlib.contextmanager
def hold_lock(lock: Path) -> Iterator[None]:
    """Hold the file `lock`, made with its folder, for the block; wait for its present holder."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_claimed(directory: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), (directory / "lock").open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def read_note(directory: Path) -> dict[str, Any]:
    try:
        note: dict[str, Any] = json.loads((directory / "runner.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return note


def find_runner(directory: Path) -> psutil.Process | None:
    """Return the living process that holds `directory`, checked by number and start time."""
    note = read_note(directory)
    if is_claimed(directory) and note:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(note["pid"])
            if abs(process.create_time() - note["created_at"]) < 1:
                return process
    return None
