"""Notifications to systemd, written to the socket that it names; without systemd none are sent.

The protocol is sd_notify(3): one datagram of NAME=value lines.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress

from agent import clock

SEND_TIMEOUT_S = 1.0
MAX_STATUS_CHARS = 200


class Notifier:
    """Removes its variables from the environment, so that no child process notifies in our name."""

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        env = os.environ if environ is None else environ
        self._address = env.pop("NOTIFY_SOCKET", "")
        watchdog_us = env.pop("WATCHDOG_USEC", "")
        watchdog_pid = env.pop("WATCHDOG_PID", "")
        is_ours = watchdog_pid in ("", str(os.getpid()))
        #: Period of systemd's watchdog in seconds, None without one.
        self.watchdog_s: float | None = None
        if self._address and is_ours and watchdog_us.isdecimal() and int(watchdog_us):
            self.watchdog_s = int(watchdog_us) / 1e6

    def __bool__(self) -> bool:
        """Whether systemd listens."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """Notify that the agent works, at its start and after a reload."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """Notify that the configuration is being reloaded; `ready` must follow."""
        now_us = int(clock.monotonic_s() * 1e6)
        self._send("RELOADING=1", f"MONOTONIC_USEC={now_us}", "STATUS=Reloading")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=Sending spooled items")

    def alive(self, status: str) -> None:
        """Reset the watchdog: without this in time, systemd restarts the agent."""
        self._send("WATCHDOG=1", _status(status))

    def status(self, status: str) -> None:
        """Set only the line of `systemctl status`."""
        self._send(_status(status))

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the abstract namespace.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(SEND_TIMEOUT_S)
            sender.sendto("\n".join(lines).encode(), address)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:MAX_STATUS_CHARS]}"
