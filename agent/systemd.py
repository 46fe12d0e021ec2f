"""What systemd is told of the agent, written straight to the socket it names; elsewhere nothing is.

The protocol is sd_notify(3): one datagram of NAME=value lines.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

from agent import clock

SEND_TIMEOUT_S = 1.0
LONGEST_STATUS_CHARS = 200


class Notifier:
    """Takes its variables out of the environment, so that nobody else speaks for us."""

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        env = os.environ if environ is None else environ
        self._address = env.pop("NOTIFY_SOCKET", "")
        watchdog_us = env.pop("WATCHDOG_USEC", "")
        watchdog_pid = env.pop("WATCHDOG_PID", "")
        meant = watchdog_pid in ("", str(os.getpid()))
        #: How often systemd wants to hear that we live, in seconds; None when it does not.
        self.watchdog_s: float | None = None
        if self._address and meant and watchdog_us.isdecimal() and int(watchdog_us):
            self.watchdog_s = int(watchdog_us) / 1e6

    def __bool__(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """Say that the agent works, at its start and after a reload."""
        self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` must follow."""
        now_us = int(clock.monotonic_s() * 1e6)
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now_us}", "STATUS=Reloading")

    def stopping(self) -> None:
        """Say that the agent ends."""
        self._tell("STOPPING=1", "STATUS=Sending what is spooled")

    def alive(self, status: str) -> None:
        """Say that all is well: when systemd does not hear it in time, it restarts the agent."""
        self._tell("WATCHDOG=1", _status(status))

    def status(self, status: str) -> None:
        """Say only what `systemctl status` shows."""
        self._tell(_status(status))

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the abstract namespace.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(SEND_TIMEOUT_S)
            sender.sendto("\n".join(lines).encode(), address)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:LONGEST_STATUS_CHARS]}"
