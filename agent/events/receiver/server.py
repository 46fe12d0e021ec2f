"""Sockets of the plugins' endpoint: HTTP over a unix socket, and over the loopback address where
configured.

202 means on disk. Everything is bounded: connections, body, time to send it, time between requests.
An event that is refused is refused alone; the rest of its batch is taken.
"""

import errno
import grp
import os
import socket
import stat
import threading
from pathlib import Path
from typing import Any

from agent.config import Receiver as ReceiverSettings
from agent.errors import ReceiverError
from agent.events.receiver.handler import Listener
from agent.spool import Spool

SOCKET_NAME = "receiver.sock"
LOOPBACK = "127.0.0.1"
MAX_PATH_BYTES = 107  # of a unix socket on Linux


class Receiver(Listener):
    """The server on `<directory>/receiver.sock`. `run` serves until `stop` is set."""

    name = "receiver"
    address_family = socket.AF_UNIX

    def __init__(
        self, spool: Spool, settings: ReceiverSettings, directory: Path, **others: Any
    ) -> None:
        """`others`: see Listener."""
        self.path = directory / SOCKET_NAME
        super().__init__(str(self.path), spool, settings, **others)

    def open(self) -> None:
        """Make the socket, in place of one a killed agent left. Raises ReceiverError."""
        temporary = self.path.with_name(f".{SOCKET_NAME}.{os.getpid()}")
        try:
            if len(os.fsencode(temporary)) > MAX_PATH_BYTES:
                raise OSError(errno.ENAMETOOLONG, "its path is too long for a unix socket")
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if self.path.exists() and not stat.S_ISSOCK(self.path.stat().st_mode):
                raise OSError(errno.EEXIST, "a file that is not a socket is in its place")
            temporary.unlink(missing_ok=True)
            self.socket.bind(str(temporary))
            if self.settings.socket_group:
                os.chown(temporary, -1, _group_id(self.settings.socket_group))
            temporary.chmod(int(self.settings.socket_mode, 8))
            self.server_activate()
            # By renaming, the socket is never there without its mode, nor while it does not listen.
            temporary.rename(self.path)
        except OSError as error:
            self.server_close()
            temporary.unlink(missing_ok=True)
            raise ReceiverError(
                f"The receiver's socket {self.path} cannot be opened ({error.strerror}). Set"
                " AGENT_RUNTIME_DIR to a directory the agent may write, and socket_group in"
                " [receiver] to a group it belongs to."
            ) from error

    def server_bind(self) -> None:
        """Not used: `open` binds under another name first."""

    def get_request(self) -> tuple[socket.socket, Any]:
        """Return the next connection; a unix socket's peer has no address."""
        request, _ = super().get_request()
        return request, ("plugin", 0)

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, then close and remove the socket."""
        super().run(stop)
        self.path.unlink(missing_ok=True)


class TcpReceiver(Listener):
    """The same on the loopback address, for a mail program that cannot see the socket (a container
    with the host's network). Clients must send the token."""

    name = "receiver-tcp"

    def __init__(self, spool: Spool, settings: ReceiverSettings, **others: Any) -> None:
        """`others`: see Listener."""
        self.token = settings.tcp_token.reveal()
        super().__init__((LOOPBACK, settings.tcp_port), spool, settings, **others)

    def open(self) -> None:
        """Listen. Raises ReceiverError."""
        try:
            self.server_bind()
            self.server_activate()
        except OSError as error:
            self.server_close()
            raise ReceiverError(
                f"The receiver cannot listen on {LOOPBACK}:{self.settings.tcp_port}"
                f" ({error.strerror}). Set tcp_port in [receiver] to a free port, or to 0 for none."
            ) from error


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise OSError(errno.ENOENT, f"there is no group {name}") from error
