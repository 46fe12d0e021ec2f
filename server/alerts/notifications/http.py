"""HTTP client of the channels: to checked addresses, without redirects, within bounds."""

import base64
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError

from server.alerts.notifications.addresses import Network, RefusedAddress, connect, end_after
from server.alerts.notifications.channels.kind import Request
from server.alerts.notifications.messages import clean

CONNECT_TIMEOUT_S, READ_TIMEOUT_S, MAX_TOTAL_S = 5.0, 10.0, 20.0
MAX_REPLY_BYTES, CHUNK_BYTES = 65_536, 8_192
MAX_ERROR_CHARS = 300
#: Shorter ones are words of any text.
MIN_SECRET_CHARS = 4
MAX_RETRY_AFTER_S = 3_600
OK = range(200, 300)


@dataclass(frozen=True)
class Reply:
    """The reply of a service."""

    status: int
    body: bytes
    retry_after_s: int | None = None


class SendError(Exception):
    """What went wrong with an attempt, without secrets. `status`: HTTP's, of a reply."""

    def __init__(self, text: str, *, status: int | None = None, retry_after_s: int | None = None):
        super().__init__(clean(text, MAX_ERROR_CHARS))
        self.status, self.retry_after_s = status, retry_after_s

    def without(self, secrets: Iterable[str]) -> "SendError":
        """Return it without these secrets: a service may repeat what it was sent."""
        text = redact(str(self), secrets)
        return SendError(text, status=self.status, retry_after_s=self.retry_after_s)


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets, nor what follows the host of those that are addresses. Pure.

    The longest go first, as one may be a part of another.
    """
    forms = set()
    for secret in secrets:
        _, _, path = secret.partition("://")[2].partition("/")
        encoded = base64.b64encode(secret.encode()).decode()
        forms |= {secret, path, path.partition("?")[0], encoded, quote(secret, safe="")}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= MIN_SECRET_CHARS:
            text = text.replace(form, "[secret]")
    return text


def send(request: Request, networks: Sequence[Network]) -> Reply:
    """Send a request once. Raises SendError for whatever is not 2xx."""
    reply = _exchange(request, networks)
    if reply.status not in OK:
        text = f"HTTP {reply.status}: {reply.body[:MAX_ERROR_CHARS].decode(errors='replace')}"
        raise SendError(text, status=reply.status, retry_after_s=reply.retry_after_s)
    return reply


def _exchange(request: Request, networks: Sequence[Network]) -> Reply:
    try:
        url = urllib3.util.parse_url(request.url)
    except LocationParseError:
        raise SendError("its address is none: enter it again") from None
    # Of an address with a secret in its path nothing but the host may be logged.
    where = url.host or "?"
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
    take_backs: list[Callable[[], None]] = []
    pool = _make_pool(url, networks, timeout, take_backs)
    deadline = time.monotonic() + MAX_TOTAL_S
    try:
        response = pool.urlopen(
            request.method,
            url.request_uri,
            body=request.body,
            headers={"User-Agent": "Mallard", **request.headers},
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            body = _read(response, deadline)
        finally:
            response.close()
    except RefusedAddress as error:
        raise SendError(str(error)) from None
    except (HTTPError, OSError) as error:
        raise SendError(f"{where}: {_describe(error)}") from None
    finally:
        pool.close()
        for take_back in take_backs:
            take_back()
    return Reply(response.status, body, _parse_seconds(response.headers.get("Retry-After")))


def _make_pool(
    url: urllib3.util.Url,
    networks: Sequence[Network],
    timeout: urllib3.Timeout,
    take_backs: list[Callable[[], None]],
) -> urllib3.HTTPConnectionPool:
    is_tls = url.scheme == "https"
    kind = urllib3.HTTPSConnectionPool if is_tls else urllib3.HTTPConnectionPool
    # With its port: an address of IPv6 would lose its end, which looks like one.
    port = url.port or kind.ConnectionCls.default_port
    pool = kind(str(url.host).strip("[]"), port, timeout=timeout, maxsize=1, block=False)
    base = HTTPSConnection if is_tls else HTTPConnection

    class CheckedConnection(base):  # type: ignore[misc, valid-type]
        """Connects to an address that was checked: the name may mean another one a moment later."""

        def _new_conn(self) -> socket.socket:
            try:
                connected = connect(self.host, self.port, networks, timeout_s=CONNECT_TIMEOUT_S)
            except OSError as error:
                raise NewConnectionError(self, str(error)) from error
            take_backs.append(end_after(connected, MAX_TOTAL_S))
            return connected

    pool.ConnectionCls = CheckedConnection
    return pool


def _read(response: Any, deadline: float) -> bytes:
    """Return the first bytes of a body. A service that trickles is left at the deadline."""
    body = b""
    late = TimeoutError(f"no whole reply within {MAX_TOTAL_S:g} s")
    while len(body) < MAX_REPLY_BYTES:
        if time.monotonic() > deadline:
            raise late
        try:
            chunk = response.read1(CHUNK_BYTES)
        except HTTPError as error:  # its connection was taken away, or it broke
            raise (late if time.monotonic() > deadline else error) from None
        if not chunk:
            break
        body += chunk
    return body[:MAX_REPLY_BYTES]


def _describe(error: Exception) -> str:
    """Return what happened without urllib3's names of objects, which hold the address."""
    reason = getattr(error, "reason", None) or error
    text = str(reason)
    return text.partition(": ")[2] if "object at 0x" in text or "host=" in text else text


def _parse_seconds(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(int(text[:9]), MAX_RETRY_AFTER_S)
