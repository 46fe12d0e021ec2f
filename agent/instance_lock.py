"""One agent per state directory: two would send everything twice and fight for the stream."""

import fcntl
import os
from pathlib import Path

from agent.errors import AlreadyRunning, ConfigError


class InstanceLock:
    """Held by the kernel for as long as the process lives, so a killed agent leaves none behind."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "agent.lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises AlreadyRunning with the other's process id, or ConfigError."""
        try:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"AGENT_STATE_DIR {self._path.parent} cannot be used ({error.strerror}). Create it"
                " for the agent's user, or set AGENT_STATE_DIR to a directory it may write."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise AlreadyRunning(
                f"Another agent (process {holder}) uses {self._path.parent}. Stop it, or give this"
                " one its own AGENT_STATE_DIR and AGENT_RUNTIME_DIR."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
