"""HTTP client of the server. No retries, redirects or proxy; every wait is bounded.

urllib3 is imported when the first client is made.
"""

from __future__ import annotations

import enum
import gzip
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from agent import __version__, clock
from agent.config import Backend
from agent.errors import CertificateFault, certificate_fault
from agent.logs import RateLimitedLog
from agent.transport.backoff import http_date, http_date_of, retry_after_s
from agent.transport.refusals import Cause, find_cause
from agent.transport.stats import TransportStats
from agent.wire import FailingSends, IngestAnswer, Refusal

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

logger = logging.getLogger(__name__)

# Smaller bodies are not worth compressing. Level 4 saves 3 % for twice the time, level 6 saves 8 %
# for three times.
MIN_GZIP_BYTES = 500
GZIP_LEVEL = 3
MAX_ANSWER_BYTES = 1_000_000
MAX_SHOWN_CHARS = 200

#: The sender's clock as in `Date`, in requests and responses: some gateways drop or replace that.
DATE_HEADER = "Mallard-Date"

ACCEPTED_STATUS = 202
MAX_OK = 299
MAX_REDIRECT = 399
MIN_SERVER_ERROR = 500

# The ranges of Skew are a second wide; less than this does not matter.
TOLERATED_SKEW = timedelta(seconds=5)
SKEW_WARNING_PERIOD_S = 3600.0
_OBJECT = re.compile(r"^\w+\(host=[^)]*\): ")
_TLS_FIXES: dict[CertificateFault, str] = {
    "time": " Its certificate has expired or is not valid yet: renew it, or set this clock if that"
    " is wrong.",
    "name": " Its certificate is for another name: set DASHBOARD_URL to the name in it.",
    "authority": " Its certificate is not trusted here: set ca_file in [backend] to the file of the"
    " authority that signed it, or install ca-certificates.",
}
NO_TLS = "WRONG_VERSION_NUMBER"
NO_TLS_FIX = " Nothing speaks TLS there: set scheme and port in DASHBOARD_URL to the server's."


class Action(enum.Enum):
    """Treatment of a batch after its response."""

    ACCEPTED = "accepted"  # the server has stored it: delete it
    RETRY = "retry"  # a temporary failure: retry soon
    KEEP = "keep"  # a person must fix something first: keep it, retry slowly
    TOO_LARGE = "too large"  # send smaller batches
    INVALID = "invalid"  # the server will never accept any of it
    MALFORMED = "malformed"  # the server cannot parse it


@dataclass(frozen=True)
class Outcome:
    """The result of one POST. `reason`: one line for a person, which ends with `fix` where one is
    known; `refusals`: the items that the server refused; `server_at`: its clock, in whole seconds.
    """

    action: Action
    reason: str
    fix: str = ""
    retry_after_s: float | None = None
    refusals: tuple[Refusal, ...] = ()
    status: int | None = None
    server_at: datetime | None = None


@dataclass(eq=False)
class _Request:
    """A POST in progress, so that another thread can abort it. `aborted`: one did."""

    end_s: float
    connection: socket.socket | None = None
    aborted: bool = False


class _Current(threading.local):
    """The request of the current thread."""

    request: _Request | None = None


class Client:
    """Client of one server with one key. Safe to share between threads.

    Its timeouts bound each wait for the next bytes. Against a server that sends a byte now and
    then, `abort_overdue` must be called every few seconds: it ends requests that take longer than
    both timeouts together. `warns_of_skew` False: for a caller that judges the clock itself.
    """

    def __init__(self, settings: Backend, *, warns_of_skew: bool = True) -> None:
        self.stats = TransportStats()
        self._settings = settings
        self._warns_of_skew = warns_of_skew
        self._max_s = settings.connect_timeout_s + settings.read_timeout_s
        self._end_s = float("inf")
        self._lock = threading.Lock()
        self._pool: PoolManager | None = None
        self._requests: set[_Request] = set()
        self._current = _Current()
        self._skew_warnings = RateLimitedLog(logger, period_s=SKEW_WARNING_PERIOD_S)

    def post(self, path: str, body: bytes, *, answer_needed: bool = False) -> Outcome:
        """POST JSON to `path` and judge the response. Raises nothing.

        `answer_needed`: only the ingest endpoint's own 202 counts as accepted, so that a portal
        that answers 200 to everything does not swallow events.
        """
        sent_at, sent_s = clock.utc_now(), clock.monotonic_s()
        # The server corrects the times in the body by it.
        date = http_date_of(sent_at)
        headers = {
            "Authorization": f"Bearer {self._settings.api_key.reveal()}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Date": date,
            DATE_HEADER: date,
            "User-Agent": f"mallard-agent/{__version__}",
        }
        if len(body) >= MIN_GZIP_BYTES:
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        with self._request(sent_s) as request:
            outcome = self._exchange(
                self._settings.url + path, body, headers, answer_needed=answer_needed
            )
        if request.aborted:
            reason = f"{self._settings.url}{path} did not answer within {self._max_s:g} s"
            outcome = Outcome(Action.RETRY, reason)
        duration_s = clock.monotonic_s() - sent_s
        accepted = outcome.action is Action.ACCEPTED
        self.stats.record_send(duration_s * 1000, accepted=accepted)
        failure = FailingSends(path, 1, sent_at, outcome.reason, outcome.fix, outcome.status)
        self.stats.note_outcome(path, None if accepted else failure)
        if outcome.server_at is not None:
            answered_at = sent_at + timedelta(seconds=duration_s)
            self.stats.skew.add(outcome.server_at, sent_at=sent_at, answered_at=answered_at)
            if self._warns_of_skew:
                self._check_clock()
        return outcome

    def abort_overdue(self) -> None:
        """Abort the requests past their deadline: their `post` returns soon after."""
        now_s = clock.monotonic_s()
        with self._lock:
            overdue = [
                (request, request.connection)
                for request in self._requests
                if request.end_s < now_s and not request.aborted
            ]
        for request, connection in overdue:
            if connection is not None:
                request.aborted = True
                with suppress(OSError):  # it may be closed already
                    # Not SSLSocket.shutdown, which would take the session from the reading thread.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def end_by(self, end_s: float) -> None:
        """Bound all requests, present and future, by `end_s` of the monotonic clock."""
        with self._lock:
            self._end_s = end_s
            for request in self._requests:
                request.end_s = min(request.end_s, end_s)

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    @contextmanager
    def _request(self, now_s: float) -> Iterator[_Request]:
        with self._lock:
            request = _Request(min(now_s + self._max_s, self._end_s))
            self._requests.add(request)
        self._current.request = request
        try:
            yield request
        finally:
            self._current.request = None
            with self._lock:
                self._requests.discard(request)

    def _exchange(
        self, url: str, body: bytes, headers: dict[str, str], *, answer_needed: bool
    ) -> Outcome:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            # Never follow a redirect: the key would go wherever it points.
            response = self._get_pool().request(
                "POST", url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                text = response.read(MAX_ANSWER_BYTES)
            finally:
                # The rest of a larger response is not worth reading, so the connection goes too.
                if response.length_remaining:
                    response.close()
                response.release_conn()
        except (HTTPError, OSError) as error:
            shown = _short(error)
            fault = certificate_fault(str(error))
            fix = _TLS_FIXES[fault] if fault else NO_TLS_FIX if NO_TLS in shown else ""
            if fault:
                self.close()  # the pool has the authorities of its creation
            return Outcome(Action.RETRY, f"{url} is not reachable: {shown}{fix}", fix)
        outcome = _judge(url, response, text, answer_needed=answer_needed)
        return replace(outcome, status=response.status, server_at=_server_at(response))

    def _get_pool(self) -> PoolManager:
        with self._lock:
            if self._pool is None:
                self._pool = _build_pool(self._settings, self._set_connection)
            return self._pool

    def _set_connection(self, connection: socket.socket | None) -> None:
        if self._current.request is not None:
            self._current.request.connection = connection

    def _check_clock(self) -> None:
        ahead = self.stats.skew.ahead()
        if ahead is None:
            return
        if abs(ahead) > TOLERATED_SKEW:
            self._skew_warnings.warn(
                "skew",
                "This clock is at least %.0f s %s the server's, which corrects the times it gets;"
                " a server older than this agent does not, and refuses events more than 10 minutes"
                " ahead, which wait. Synchronise both, as with timedatectl set-ntp true.",
                abs(ahead.total_seconds()),
                "ahead of" if ahead > timedelta(0) else "behind",
            )
        else:
            self._skew_warnings.resolve("This clock agrees with the server's again.")


def _build_pool(settings: Backend, on_use: Callable[[socket.socket | None], None]) -> PoolManager:
    """Return a pool that passes each connection to `on_use` when a request begins to use it. Raises
    OSError when the certificate authorities cannot be read."""
    import urllib3  # noqa: PLC0415
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415
    from urllib3.util import create_urllib3_context  # noqa: PLC0415

    class Reporting:
        sock: socket.socket | None

        def connect(self) -> None:
            super().connect()  # type: ignore[misc]
            on_use(self.sock)

        def request(self, *arguments: Any, **named: Any) -> None:
            on_use(self.sock)
            super().request(*arguments, **named)  # type: ignore[misc]

    def pool_class(base: Any, connection: Any) -> Any:
        return type(base.__name__, (base,), {"ConnectionCls": connection})

    trust = None
    if settings.url.lower().startswith("https:"):
        # Shared by all connections: each would load all authorities again, 1 MB and 20 ms.
        trust = create_urllib3_context()
        if settings.ca_file:
            trust.load_verify_locations(settings.ca_file)
        else:
            trust.load_default_certs()
    pool = urllib3.PoolManager(
        num_pools=2,
        maxsize=4,
        retries=False,
        timeout=urllib3.Timeout(
            connect=settings.connect_timeout_s,
            read=settings.read_timeout_s,
            total=settings.connect_timeout_s + settings.read_timeout_s,
        ),
        ssl_context=trust,
    )
    pool.pool_classes_by_scheme = {
        "http": pool_class(
            urllib3.HTTPConnectionPool, type("Plain", (Reporting, HTTPConnection), {})
        ),
        "https": pool_class(
            urllib3.HTTPSConnectionPool, type("Tls", (Reporting, HTTPSConnection), {})
        ),
    }
    return pool


NODE_FIX = " The key is of another scope or node: check API_KEY and NODE_ID."
# Treatment of the batch, and the fix for a person, by status.
_ACTIONS = {
    400: (Action.MALFORMED, ""),
    401: (Action.KEEP, " The key is wrong or revoked: set API_KEY to a valid one."),
    403: (Action.KEEP, NODE_FIX),
    408: (Action.RETRY, ""),
    413: (Action.TOO_LARGE, ""),
    415: (Action.MALFORMED, ""),
    422: (Action.INVALID, ""),
    429: (Action.RETRY, ""),
}


def _judge(url: str, response: BaseHTTPResponse, text: bytes, *, answer_needed: bool) -> Outcome:
    status = response.status
    summary = f"{url} answered {status}"
    if status <= MAX_OK:
        return _judge_ok(summary, status, text, answer_needed=answer_needed)
    if status <= MAX_REDIRECT:
        target = response.headers.get("Location", "elsewhere")[:MAX_SHOWN_CHARS]
        fix = " Redirects are not followed with the key: set DASHBOARD_URL to the final address."
        return Outcome(Action.KEEP, f"{summary} and points to {target}.{fix}", fix)
    if status >= MIN_SERVER_ERROR:
        action, fix = Action.RETRY, ""
    else:
        action, fix = _ACTIONS.get(status, (Action.KEEP, " Check DASHBOARD_URL."))
    shown = text[:MAX_SHOWN_CHARS].decode("utf-8", "replace")
    wait_s = retry_after_s(response.headers.get("Retry-After"), now=_server_at(response))
    refusals: tuple[Refusal, ...] = ()
    if action is Action.INVALID:
        with suppress(msgspec.MsgspecError):
            refusals = tuple(msgspec.json.decode(text, type=IngestAnswer).rejected)
        if not refusals and find_cause(shown) is Cause.NODE:
            action, fix = Action.KEEP, NODE_FIX
    reason = f"{summary}: {shown}{fix}"
    return Outcome(action, reason, fix, retry_after_s=wait_s, refusals=refusals)


def _judge_ok(summary: str, status: int, text: bytes, *, answer_needed: bool) -> Outcome:
    answer = IngestAnswer()
    with suppress(msgspec.MsgspecError):
        answer = msgspec.json.decode(text, type=IngestAnswer)
    if answer_needed and (answer.queued is None or status != ACCEPTED_STATUS):
        fix = " Check DASHBOARD_URL."
        return Outcome(Action.KEEP, f"{summary}, but not as Mallard does.{fix}", fix)
    return Outcome(Action.ACCEPTED, summary, refusals=tuple(answer.rejected))


def _server_at(response: BaseHTTPResponse) -> datetime | None:
    """Return the server's clock; where its own program did not answer, that of what did."""
    headers = response.headers
    return http_date(headers.get(DATE_HEADER)) or http_date(headers.get("Date"))


def _short(error: Exception) -> str:
    """Return urllib3's error without the names of its objects."""
    cause = getattr(error, "reason", None) or error
    is_pair = len(cause.args) > 1 and isinstance(cause.args[1], Exception)
    reason = f"{cause.args[0]} {cause.args[1]}".strip() if is_pair else str(cause)
    return _OBJECT.sub("", reason.rpartition(">: ")[2])[:MAX_SHOWN_CHARS]
