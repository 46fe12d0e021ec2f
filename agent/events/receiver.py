"""The plugins' door: HTTP over a unix socket. 202 means on disk.

Everything is bounded: connections, body, time to send it, time to say nothing. What is refused is
refused alone; the rest of its batch is taken.
"""

import errno
import json
import logging
import os
import socket
import socketserver
import stat
import sys
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec

from agent import __version__, clock
from agent.config import Receiver as ReceiverSettings
from agent.errors import ReceiverError, SpoolError
from agent.events.readings import PluginReadings, read_said
from agent.logs import Repeats
from agent.spool import Accepted, Spool, Told, told
from agent.wire import ReceivedEvent

logger = logging.getLogger(__name__)

SOCKET_NAME = "receiver.sock"
SOCKET_MODE = 0o660
LONGEST_PATH = 107  # of a unix socket on Linux
LARGEST_EVENT_BYTES = 32_768
LARGEST_READINGS_BYTES = 16_384
EVENTS_PATH = "/v1/events"
READINGS_PATH = "/v1/readings"
RETRY_AFTER_S = 2
MOST_DISCARDED_BYTES = 16 * 1024**2
DISCARD_STEP_BYTES = 65_536
_POLL_S = 0.25
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


def read_events(body: bytes, *, node: str) -> tuple[list[Accepted], list[dict[str, Any]]]:
    """Return the events of a body and what is refused of it, by index. An event that names no node
    is this node's. Raises msgspec.DecodeError when the body is not a JSON array."""
    accepted: list[Accepted] = []
    refused: list[dict[str, Any]] = []
    for index, raw in enumerate(msgspec.json.decode(body, type=list[msgspec.Raw])):
        try:
            if len(raw) > LARGEST_EVENT_BYTES:
                raise ValueError(f"larger than {LARGEST_EVENT_BYTES} bytes")
            event = msgspec.json.decode(raw, type=ReceivedEvent)
            accepted.append(Accepted(event, _with_node(bytes(raw), event, node)))
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            refused.append({"index": index, "error": str(error)[:300]})
    return accepted, refused


def _with_node(raw: bytes, event: ReceivedEvent, node: str) -> bytes:
    if event.mta_node:
        return raw
    return msgspec.json.encode({**msgspec.json.decode(raw), "mta_node": node})


class Receiver(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The server on `<directory>/receiver.sock`. `run` serves until `stop` is set."""

    name = "receiver"
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        spool: Spool,
        settings: ReceiverSettings,
        directory: Path,
        *,
        node: str,
        readings: PluginReadings | None = None,
    ) -> None:
        self.spool = spool
        self.readings = readings or PluginReadings()
        self.settings = settings
        self.node = node
        self.repeats = Repeats(logger)
        self.path = directory / SOCKET_NAME
        self._slots = threading.BoundedSemaphore(settings.max_connections)
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(str(self.path), _Handler, bind_and_activate=False)

    def open(self) -> None:
        """Make the socket, in place of one a killed agent left. Raises ReceiverError."""
        temporary = self.path.with_name(f".{SOCKET_NAME}.{os.getpid()}")
        try:
            if len(os.fsencode(temporary)) > LONGEST_PATH:
                raise OSError(errno.ENAMETOOLONG, "its path is too long for a unix socket")
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if self.path.exists() and not stat.S_ISSOCK(self.path.stat().st_mode):
                raise OSError(errno.EEXIST, "a file that is not a socket is in its place")
            temporary.unlink(missing_ok=True)
            self.socket.bind(str(temporary))
            temporary.chmod(SOCKET_MODE)
            self.server_activate()
            # By renaming, the socket is never there without its mode, nor while it does not listen.
            temporary.rename(self.path)
            self.server_address = str(self.path)
        except OSError as error:
            self.server_close()
            raise ReceiverError(
                f"The receiver's socket {self.path} cannot be opened ({error.strerror}). Set"
                " AGENT_RUNTIME_DIR to a directory the agent may write."
            ) from error

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, then close the socket."""

        def shut_down_at_stop() -> None:
            stop.wait()
            self.shutdown()

        threading.Thread(target=shut_down_at_stop, name="receiver-stop", daemon=True).start()
        self.serve_forever(poll_interval=_POLL_S)
        self.path.unlink(missing_ok=True)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, or answer that there is none left."""
        if not self._slots.acquire(blocking=False):
            self.repeats.warn("connections", "Too many connections to the receiver: refusing.")
            with suppress(OSError):  # it may have gone away by itself
                request.setblocking(False)
                request.send(_BUSY)
            self.shutdown_request(request)
            return
        self.give_time(request, self.settings.read_timeout_s)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, then give its slot back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._deadlines.pop(request, None)
            self._slots.release()

    def give_time(self, request: socket.socket, timeout_s: float) -> None:
        """Let the connection live at most so long from now."""
        with self._lock:
            self._deadlines[request] = clock.monotonic_s() + timeout_s

    def service_actions(self) -> None:
        """Shut connections whose time is over: a byte now and then does not keep one alive."""
        now_s = clock.monotonic_s()
        with self._lock:
            overdue = [request for request, end_s in self._deadlines.items() if end_s < now_s]
        for request in overdue:
            with suppress(OSError):  # it may be closed in between
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note a connection that broke; one does not matter."""
        logger.debug("A connection to the receiver broke: %r", sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    """One connection of a plugin, kept alive between requests."""

    protocol_version = "HTTP/1.1"
    server: Receiver
    server_version = f"mallard-agent/{__version__}"
    sys_version = ""

    def parse_request(self) -> bool:
        """Start the clock of this request."""
        self.server.give_time(self.connection, self.server.settings.read_timeout_s)
        return super().parse_request()

    def do_GET(self) -> None:
        """Answer whether the receiver lives."""
        if self.path == "/v1/health":
            self._answer(HTTPStatus.OK, {"status": "ok", "version": __version__})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "POST /v1/events or GET /v1/health"})

    def do_POST(self) -> None:
        """Take events, or what a plugin says of itself."""
        take, limit = {
            EVENTS_PATH: (self._take_events, self.server.settings.max_body_bytes),
            READINGS_PATH: (self._take_readings, LARGEST_READINGS_BYTES),
        }.get(self.path, (None, 0))
        length = self.headers.get("Content-Length", "")
        if take is None:
            self._discard(int(length) if length.isdecimal() else 0)
            self._refuse(HTTPStatus.NOT_FOUND, f"POST {EVENTS_PATH} or {READINGS_PATH}")
            return
        if not length.isdecimal():
            self._refuse(HTTPStatus.BAD_REQUEST, "Content-Length is needed")
            return
        if int(length) > limit:
            # Read and forget it, or the client, still sending, would not hear the answer.
            self._discard(int(length))
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit} bytes")
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return
        try:
            take(body)
        except SpoolError as error:
            self.server.repeats.warn("spool", "Events of a plugin were not taken: %s", error)
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "the spool cannot write"})

    def _take_events(self, body: bytes) -> None:
        try:
            accepted, refused = read_events(body, node=self.server.node)
        except (msgspec.DecodeError, RecursionError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": f"not a JSON array: {error}"})
            return
        said = self._told()
        self.server.spool.take_reported(accepted, refused=len(refused), told=said)
        if said:
            plugin = self.headers.get("User-Agent", "").removeprefix("mallard-")[:100]
            self.server.readings.heard(plugin, said.process, said.dropped)
        if refused:
            first = refused[0]["error"]
            self.server.repeats.warn(
                "refused", "Refused %d events of a plugin, first: %s", len(refused), first
            )
        self._answer(HTTPStatus.ACCEPTED, {"queued": len(accepted), "rejected": refused})

    def _take_readings(self, body: bytes) -> None:
        try:
            said = read_said(body)
        except (msgspec.DecodeError, RecursionError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": f"not readings: {error}"})
            return
        self.server.spool.take_reported((), told=Told(said.process, said.dropped_total))
        self.server.readings.take(said)
        self._answer(HTTPStatus.ACCEPTED, {})

    def _told(self) -> Told | None:
        return told(self.headers.get("X-Mallard-Process"), self.headers.get("X-Mallard-Dropped"))

    def _discard(self, length: int) -> None:
        left = min(length, MOST_DISCARDED_BYTES)
        while left > 0 and (part := self.rfile.read(min(left, DISCARD_STEP_BYTES))):
            left -= len(part)

    def _refuse(self, status: HTTPStatus, error: str) -> None:
        # What is not read of the body would be taken for the next request.
        self.close_connection = True
        self._answer(status, {"error": error})

    def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", str(RETRY_AFTER_S))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.server.give_time(self.connection, self.server.settings.idle_timeout_s)

    def address_string(self) -> str:
        """Return a name for log lines: a unix socket's peer has no address."""
        return "plugin"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        """Say what http.server says, but only when asked for it."""
        logger.debug("receiver: " + format, *args)  # noqa: G003
