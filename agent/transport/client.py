"""One HTTP POST and what its answer means. No retries, redirects or proxy; a bound on every wait.

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
from agent.logs import Repeats
from agent.transport.backoff import http_date, retry_after_s
from agent.transport.figures import Figures
from agent.wire import IngestAnswer

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

logger = logging.getLogger(__name__)

# Less is not worth compressing. Level 4 takes 3 % off for twice the time, level 6 8 % for thrice.
GZIP_FROM_BYTES = 500
GZIP_LEVEL = 3
LARGEST_ANSWER_BYTES = 1_000_000
SHOWN_ANSWER_CHARS = 200

ACCEPTED_STATUS = 202
OK_LAST = 299
REDIRECT_LAST = 399
SERVER_ERROR_FIRST = 500

# The ranges of Skew are a second wide; under this much nobody minds.
SKEW_NOTICED = timedelta(seconds=5)
SKEW_REPEATED_S = 3600.0
_OBJECT = re.compile(r"^\w+\(host=[^)]*\): ")
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
UNTRUSTED_FIX = (
    " Its certificate is not trusted here: set ca_file in [backend] to the file of the authority"
    " that signed it, or install ca-certificates."
)


class Verdict(enum.Enum):
    """What to do with what was sent."""

    ACCEPTED = "accepted"  # the server has it; forget it
    RETRY = "retry"  # nothing wrong with it; try again soon
    KEEP = "keep"  # a person must mend something first; keep it, try again slowly
    TOO_LARGE = "too large"  # send less at once
    INVALID = "invalid"  # the server will never take any of it
    MALFORMED = "malformed"  # the server cannot even read it


@dataclass(frozen=True)
class Outcome:
    """The answer to one POST. `reason` is one line for a person, with `fix` at its end where one is
    known; `server_at` what the server's clock said, in whole seconds."""

    verdict: Verdict
    reason: str
    fix: str = ""
    retry_after_s: float | None = None
    answer: IngestAnswer | None = None
    status: int | None = None
    server_at: datetime | None = None


@dataclass(eq=False)
class _Request:
    """A POST under way, so that another thread can end it. `cut`: one did."""

    end_s: float
    connection: socket.socket | None = None
    cut: bool = False


class _Mine(threading.local):
    """What the present thread has under way."""

    request: _Request | None = None


class Client:
    """Talks to one server with one key. Safe to share between threads.

    Its timeouts bound each wait for the next bytes. Against a server that sends a byte now and
    then, `cut_overdue` must be called every few seconds: it ends what takes longer than both
    timeouts together.
    """

    def __init__(self, settings: Backend) -> None:
        self.figures = Figures()
        self._settings = settings
        self._longest_s = settings.connect_timeout_s + settings.read_timeout_s
        self._end_s = float("inf")
        self._lock = threading.Lock()
        self._pool: PoolManager | None = None
        self._under_way: set[_Request] = set()
        self._mine = _Mine()
        self._clocks = Repeats(logger, period_s=SKEW_REPEATED_S)

    def post(self, path: str, body: bytes, *, answer_needed: bool = False) -> Outcome:
        """POST JSON to `path` and judge the answer. Raises nothing.

        `answer_needed`: only the door's own 202 counts as accepted, so that a portal that answers
        200 to everything does not swallow events.
        """
        headers = {
            "Authorization": f"Bearer {self._settings.api_key.reveal()}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"mallard-agent/{__version__}",
        }
        if len(body) >= GZIP_FROM_BYTES:
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        sent_at, sent_s = clock.utc_now(), clock.monotonic_s()
        with self._request(sent_s) as request:
            outcome = self._exchange(
                self._settings.url + path, body, headers, answer_needed=answer_needed
            )
        if request.cut:
            reason = f"{self._settings.url}{path} took longer than {self._longest_s:g} s to answer"
            outcome = Outcome(Verdict.RETRY, reason)
        took_s = clock.monotonic_s() - sent_s
        self.figures.note(took_s * 1000, taken=outcome.verdict is Verdict.ACCEPTED)
        if outcome.server_at is not None:
            answered_at = sent_at + timedelta(seconds=took_s)
            self.figures.see_clock(outcome.server_at, sent_at=sent_at, answered_at=answered_at)
            self._mind_clock()
        return outcome

    def cut_overdue(self) -> None:
        """End the requests whose time is over: their `post` returns soon after."""
        now_s = clock.monotonic_s()
        with self._lock:
            overdue = [
                (request, request.connection)
                for request in self._under_way
                if request.end_s < now_s and not request.cut
            ]
        for request, connection in overdue:
            if connection is not None:
                request.cut = True
                with suppress(OSError):  # it may be closed in between
                    # Not SSLSocket's own, which would take the session from the reading thread.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def end_by(self, end_s: float) -> None:
        """Let nothing under way or to come take longer than until `end_s`, monotonic."""
        with self._lock:
            self._end_s = end_s
            for request in self._under_way:
                request.end_s = min(request.end_s, end_s)

    def close(self) -> None:
        """Close kept connections."""
        self._forget_pool()

    @contextmanager
    def _request(self, now_s: float) -> Iterator[_Request]:
        with self._lock:
            request = _Request(min(now_s + self._longest_s, self._end_s))
            self._under_way.add(request)
        self._mine.request = request
        try:
            yield request
        finally:
            self._mine.request = None
            with self._lock:
                self._under_way.discard(request)

    def _exchange(
        self, url: str, body: bytes, headers: dict[str, str], *, answer_needed: bool
    ) -> Outcome:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            # Never follow a redirect: the key would go wherever it points.
            response = self._opened().request(
                "POST", url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                text = response.read(LARGEST_ANSWER_BYTES)
            finally:
                # What is left of a larger answer is not worth reading, so the connection goes too.
                if response.length_remaining:
                    response.close()
                response.release_conn()
        except (HTTPError, OSError) as error:
            shown = _short(error)
            fix = UNTRUSTED_FIX if UNTRUSTED in shown else ""
            if fix:
                self._forget_pool()  # it knows the authorities of when it was made
            return Outcome(Verdict.RETRY, f"{url} is not reachable: {shown}{fix}", fix)
        outcome = _judge(url, response, text, answer_needed=answer_needed)
        return replace(outcome, status=response.status, server_at=_server_at(response))

    def _opened(self) -> PoolManager:
        with self._lock:
            if self._pool is None:
                self._pool = _pool(self._settings, self._note_connection)
            return self._pool

    def _forget_pool(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.clear()

    def _note_connection(self, connection: socket.socket | None) -> None:
        if self._mine.request is not None:
            self._mine.request.connection = connection

    def _mind_clock(self) -> None:
        ahead = self.figures.clock_ahead
        if ahead is None:
            return
        if abs(ahead) > SKEW_NOTICED:
            self._clocks.warn(
                "skew",
                "This clock is at least %.0f s %s the server's: times on pages are wrong by as"
                " much, and events more than 10 minutes ahead are refused. Synchronise both, as"
                " with timedatectl set-ntp true.",
                abs(ahead.total_seconds()),
                "ahead of" if ahead > timedelta(0) else "behind",
            )
        else:
            self._clocks.over("This clock agrees with the server's again.")


def _pool(settings: Backend, note: Callable[[socket.socket | None], None]) -> PoolManager:
    """Return a pool whose connections are told to `note` when a request begins to use them. Raises
    OSError when the authorities cannot be read."""
    import urllib3  # noqa: PLC0415
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415
    from urllib3.util import create_urllib3_context  # noqa: PLC0415

    class Noted:
        sock: socket.socket | None

        def connect(self) -> None:
            super().connect()  # type: ignore[misc]
            note(self.sock)

        def request(self, *arguments: Any, **named: Any) -> None:
            note(self.sock)
            super().request(*arguments, **named)  # type: ignore[misc]

    def pool_of(base: Any, connection: Any) -> Any:
        return type(base.__name__, (base,), {"ConnectionCls": connection})

    trust = None
    if settings.url.lower().startswith("https:"):
        # One for all connections: each would read all authorities for itself, 1 MB and 20 ms.
        trust = create_urllib3_context()
        if settings.ca_file:
            trust.load_verify_locations(settings.ca_file)
        else:
            trust.load_default_certs()
    made = urllib3.PoolManager(
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
    made.pool_classes_by_scheme = {
        "http": pool_of(urllib3.HTTPConnectionPool, type("Plain", (Noted, HTTPConnection), {})),
        "https": pool_of(urllib3.HTTPSConnectionPool, type("Tls", (Noted, HTTPSConnection), {})),
    }
    return made


# What a person has to do, or what becomes of the batch, by status.
_KNOWN = {
    400: (Verdict.MALFORMED, ""),
    401: (Verdict.KEEP, " The key is wrong or revoked: set API_KEY to a valid one."),
    403: (Verdict.KEEP, " The key is of another scope or node: check API_KEY and NODE_ID."),
    408: (Verdict.RETRY, ""),
    413: (Verdict.TOO_LARGE, ""),
    415: (Verdict.MALFORMED, ""),
    422: (Verdict.INVALID, ""),
    429: (Verdict.RETRY, ""),
}


def _judge(url: str, response: BaseHTTPResponse, text: bytes, *, answer_needed: bool) -> Outcome:
    status = response.status
    said = f"{url} answered {status}"
    if status <= OK_LAST:
        return _judge_ok(said, status, text, answer_needed=answer_needed)
    if status <= REDIRECT_LAST:
        target = response.headers.get("Location", "elsewhere")[:SHOWN_ANSWER_CHARS]
        fix = " Redirects are not followed with the key: set DASHBOARD_URL to the final address."
        return Outcome(Verdict.KEEP, f"{said} and points to {target}.{fix}", fix)
    if status >= SERVER_ERROR_FIRST:
        verdict, fix = Verdict.RETRY, ""
    else:
        verdict, fix = _KNOWN.get(status, (Verdict.KEEP, " Check DASHBOARD_URL."))
    shown = text[:SHOWN_ANSWER_CHARS].decode("utf-8", "replace")
    waits_s = retry_after_s(response.headers.get("Retry-After"), now=_server_at(response))
    return Outcome(verdict, f"{said}: {shown}{fix}", fix, retry_after_s=waits_s)


def _judge_ok(said: str, status: int, text: bytes, *, answer_needed: bool) -> Outcome:
    try:
        answer = msgspec.json.decode(text, type=IngestAnswer)
    except msgspec.MsgspecError:
        answer = None
    if answer_needed and (answer is None or status != ACCEPTED_STATUS):
        fix = " Check DASHBOARD_URL."
        return Outcome(Verdict.KEEP, f"{said}, but not as Mallard does.{fix}", fix)
    return Outcome(Verdict.ACCEPTED, said, answer=answer)


def _server_at(response: BaseHTTPResponse) -> datetime | None:
    """Return the time of the Date header; None without one or with one that is none."""
    return http_date(response.headers.get("Date"))


def _short(error: Exception) -> str:
    """Return urllib3's error without its objects' names for themselves."""
    reason = str(getattr(error, "reason", None) or error)
    return _OBJECT.sub("", reason.rpartition(">: ")[2])[:SHOWN_ANSWER_CHARS]
