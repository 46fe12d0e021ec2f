"""Requests of plugins to the receiver, and its answers. The sockets are opened in server.py."""

import hmac
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

import msgspec

from agent import __version__, clock
from agent.config import Receiver as ReceiverSettings
from agent.errors import SpoolError
from agent.events.plugin_reports import PluginReport, parse_report, record_report
from agent.events.receiver.plugin_status import PluginRegistry, parse_status
from agent.logs import RateLimitedLog
from agent.spool import Accepted, Spool
from agent.wire import ReceivedEvent

logger = logging.getLogger(__name__)

EVENTS_PATH = "/v1/events"
READINGS_PATH = "/v1/readings"
HEALTH_PATH = "/v1/health"
MAX_EVENT_BYTES = 32_768
MAX_READINGS_BYTES = 16_384
RETRY_AFTER_S = 2
MAX_DISCARDED_BYTES = 16 * 1024**2
DISCARD_STEP_BYTES = 65_536
_POLL_S = 0.5
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)


def read_events(body: bytes, *, node: str) -> tuple[list[Accepted], list[dict[str, Any]]]:
    """Return the events of a body and the errors of refused ones, by index. An event that names no
    node is this node's. Raises msgspec.DecodeError when the body is not a JSON array."""
    accepted: list[Accepted] = []
    refused: list[dict[str, Any]] = []
    for index, raw in enumerate(msgspec.json.decode(body, type=list[msgspec.Raw])):
        try:
            if len(raw) > MAX_EVENT_BYTES:
                raise ValueError(f"larger than {MAX_EVENT_BYTES} bytes")
            event = msgspec.json.decode(raw, type=ReceivedEvent)
            accepted.append(Accepted(event, _with_node(bytes(raw), event, node)))
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            refused.append({"index": index, "error": str(error)[:300]})
    return accepted, refused


def _with_node(raw: bytes, event: ReceivedEvent, node: str) -> bytes:
    if event.mta_node:
        return raw
    return msgspec.json.encode({**msgspec.json.decode(raw), "mta_node": node})


class Handler(BaseHTTPRequestHandler):
    """One connection of a plugin, kept alive between requests."""

    protocol_version = "HTTP/1.1"
    server: "Listener"
    server_version = f"mallard-agent/{__version__}"
    sys_version = ""

    def parse_request(self) -> bool:
        """Start the clock of this request."""
        self.server.set_timeout(self.connection, self.server.settings.read_timeout_s)
        return super().parse_request()

    def do_GET(self) -> None:
        if self.path == HEALTH_PATH:
            stuck = {name: round(stuck_s) for name, stuck_s in self.server.stuck().items()}
            content = {"status": "ok", "version": __version__, "stuck_s": stuck}
            self._answer(HTTPStatus.OK, content | self.server.sends())
        else:
            self._answer(
                HTTPStatus.NOT_FOUND, {"error": f"POST {EVENTS_PATH} or GET {HEALTH_PATH}"}
            )

    def do_POST(self) -> None:
        take, limit = {
            EVENTS_PATH: (self._take_events, self.server.settings.max_body_bytes),
            READINGS_PATH: (self._take_status, MAX_READINGS_BYTES),
        }.get(self.path, (None, 0))
        digits = self.headers.get("Content-Length", "")
        length = int(digits) if digits.isdecimal() else 0
        if not self._is_authorized():
            self._refuse(HTTPStatus.UNAUTHORIZED, "the agent's tcp_token is needed", length)
            return
        if take is None:
            self._refuse(HTTPStatus.NOT_FOUND, f"POST {EVENTS_PATH} or {READINGS_PATH}", length)
            return
        if not digits.isdecimal():
            self._refuse(HTTPStatus.BAD_REQUEST, "Content-Length is needed", length)
            return
        if length > limit:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit} bytes", length)
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        try:
            take(body)
        except SpoolError as error:
            self.server.warnings.warn("spool", "Events of a plugin were not taken: %s", error)
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "the spool cannot write"})

    def _take_events(self, body: bytes) -> None:
        try:
            accepted, refused = read_events(body, node=self.server.node)
        except (msgspec.DecodeError, RecursionError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": f"not a JSON array: {error}"})
            return
        headers = self.headers
        report = parse_report(headers.get("X-Mallard-Process"), headers.get("X-Mallard-Dropped"))
        self._store(report, accepted, refused=len(refused))
        if report:
            plugin = headers.get("User-Agent", "").removeprefix("mallard-")[:100]
            self.server.plugins.note_events(plugin, report.process, report.dropped)
        if refused:
            first = refused[0]["error"]
            self.server.warnings.warn(
                "refused", "Refused %d events of a plugin, first: %s", len(refused), first
            )
        self._answer(HTTPStatus.ACCEPTED, {"queued": len(accepted), "rejected": refused})

    def _take_status(self, body: bytes) -> None:
        try:
            status = parse_status(body)
        except (msgspec.DecodeError, RecursionError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": f"not readings: {error}"})
            return
        self._store(PluginReport(status.process, status.dropped_total))
        self.server.plugins.update(status)
        self._answer(HTTPStatus.ACCEPTED, {})

    def _store(
        self, report: PluginReport | None, events: Sequence[Accepted] = (), *, refused: int = 0
    ) -> None:
        """Store events and report in one transaction: when this returns, they are on disk."""
        spool, dropped = self.server.spool, 0
        with spool.begin() as tx:
            if report:
                dropped = record_report(tx, report, clock.now_ms())
            spool.intake.take_reported(tx, events, refused=refused)
        if report and dropped:
            self.server.warnings.warn(
                "plugin",
                "The plugin in %s dropped %d events before it could report them (counted, see"
                " `mallard-agent spool`). Its own log has the reason.",
                report.process,
                dropped,
            )

    def _is_authorized(self) -> bool:
        token = self.server.token
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return not token or hmac.compare_digest(given.encode(), token.encode())

    def _refuse(self, status: HTTPStatus, error: str, length: int) -> None:
        # Read and forget the body, or the client, still sending, would not get the answer.
        left = min(length, MAX_DISCARDED_BYTES)
        while left > 0 and (part := self.rfile.read(min(left, DISCARD_STEP_BYTES))):
            left -= len(part)
        # The rest of it would be taken for the next request.
        self.close_connection = True
        self._answer(status, {"error": error})

    def _answer(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        # All at once: http.server would take as long for the head as the spool does for ten events.
        self.log_request(status)
        body = msgspec.json.encode(content)
        head = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Server: {self.server_version}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            head.append(f"Retry-After: {RETRY_AFTER_S}")
        if self.close_connection:
            head.append("Connection: close")
        self.wfile.write("\r\n".join([*head, "", ""]).encode() + body)
        self.server.set_timeout(self.connection, self.server.settings.idle_timeout_s)

    def address_string(self) -> str:
        """Return a name for log lines: a unix socket's peer has no address."""
        return "plugin"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        logger.debug("receiver: " + format, *args)  # noqa: G003


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A server of the plugins on one socket: a thread a connection, all bounded. `stuck`: returns
    threads of the agent that do not come back, and their seconds; `sends`: its requests to the
    server."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    allow_reuse_address = True
    name: str
    token = ""  # empty: whoever may open the socket may send

    def __init__(
        self,
        address: Any,
        spool: Spool,
        settings: ReceiverSettings,
        *,
        node: str,
        plugins: PluginRegistry | None = None,
        stuck: Callable[[], dict[str, float]] = dict,
        sends: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self.spool = spool
        self.plugins = plugins or PluginRegistry()
        self.stuck, self.sends = stuck, sends
        self.settings = settings
        self.node = node
        self.warnings = RateLimitedLog(logger)
        self._slots = threading.BoundedSemaphore(settings.max_connections)
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, Handler, bind_and_activate=False)

    def run(self, stop: threading.Event) -> None:
        def shut_down_at_stop() -> None:
            stop.wait()
            self.shutdown()

        threading.Thread(target=shut_down_at_stop, name=f"{self.name}-stop", daemon=True).start()
        self.serve_forever(poll_interval=_POLL_S)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, or answer that there is none left."""
        if not self._slots.acquire(blocking=False):
            self.warnings.warn("connections", "Too many connections to the receiver: refusing.")
            with suppress(OSError):  # it may have gone away by itself
                request.setblocking(False)
                request.send(_BUSY)
            self.shutdown_request(request)
            return
        self.set_timeout(request, self.settings.read_timeout_s)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, then give its slot back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._deadlines.pop(request, None)
            self._slots.release()

    def set_timeout(self, request: socket.socket, timeout_s: float) -> None:
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
