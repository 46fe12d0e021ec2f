"""Call of a webhook: one POST of JSON, signed, within one deadline. No redirects, no proxy."""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from agent import __version__, clock

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5.0, 10.0
#: Of a whole call: a receiver that sends a byte now and then is left after it.
MAX_CALL_S = CONNECT_TIMEOUT_S + READ_TIMEOUT_S
OK = range(200, 300)
HTTPS_PORT, HTTP_PORT = 443, 80


class CallError(Exception):
    """A call that was not accepted. The text holds no address: it may be a secret."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of X-Mallard-Signature, as the server's webhook channel signs."""
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Webhook:
    """A receiver by its address. `call` is for one thread, `abort_overdue` for another."""

    def __init__(self, url: str, secret: str = "") -> None:
        self._url, self._secret = url, secret
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._call_end_s = self._end_s = float("inf")
        self._aborted = False

    def call(self, body: bytes, *, key: str) -> None:
        """POST a body once. `key`: the same at each attempt. Raises CallError."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"mallard-agent/{__version__}",
            "Idempotency-Key": key,
            "Connection": "close",
        }
        if self._secret:
            headers["X-Mallard-Signature"] = sign(self._secret, clock.now_ms() // 1000, body)
        with self._lock:
            self._call_end_s, self._aborted = clock.monotonic_s() + MAX_CALL_S, False
        try:
            status = self._post(body, headers)
            if self._aborted:  # a status line, and then no end of the header
                raise TimeoutError
        except (OSError, HTTPException, ValueError) as error:
            reason = f"no reply within {MAX_CALL_S:g} s" if self._aborted else _describe(error)
            raise CallError(f"the webhook was not reached: {reason}") from None
        finally:
            with self._lock:
                self._socket = None
        if status not in OK:
            raise CallError(f"the webhook answered {status}")

    def abort_overdue(self) -> None:
        """End a call past its deadline. To be called every few seconds."""
        with self._lock:
            end_s = min(self._call_end_s, self._end_s)
            if self._socket is None or clock.monotonic_s() < end_s:
                return
            self._aborted = True
            with suppress(OSError):  # it may be closed already
                # Not SSLSocket.shutdown, which would take the session from the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def end_by(self, end_s: float) -> None:
        """Bound the calls, present and future, by `end_s` of the monotonic clock."""
        with self._lock:
            self._end_s = end_s

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        parts = urlsplit(self._url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.hostname or ""
        is_tls = parts.scheme == "https"
        port = parts.port or (HTTPS_PORT if is_tls else HTTP_PORT)
        connection = HTTPConnection(host, port)
        try:
            connection.sock = self._connect(host, port, is_tls=is_tls)
            connection.request("POST", path, body=body, headers=headers)
            return connection.getresponse().status  # nobody needs the body
        finally:
            connection.close()

    def _connect(self, host: str, port: int, *, is_tls: bool) -> socket.socket:
        connected = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
        connected.settimeout(READ_TIMEOUT_S)
        if not is_tls:
            with self._lock:
                self._socket = connected
            return connected
        import ssl  # noqa: PLC0415 (agents without a webhook start without it)

        # The handshake comes after: an end that never finishes it is aborted too.
        secured = ssl.create_default_context().wrap_socket(
            connected, server_hostname=host, do_handshake_on_connect=False
        )
        with self._lock:
            self._socket = secured
        try:
            secured.do_handshake()
        except OSError:
            secured.close()
            raise
        return secured


def _describe(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
