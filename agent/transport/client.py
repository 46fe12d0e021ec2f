"""One HTTP POST and what its answer means. No retries, no redirects, a bound on every wait.

urllib3 is imported when the first client is made.
"""

from __future__ import annotations

import enum
import gzip
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import msgspec

from agent import __version__
from agent.config import Backend
from agent.transport.backoff import retry_after_s
from agent.wire import IngestAnswer

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

# Less is not worth compressing; level 6 halves nothing more for three times the time.
GZIP_FROM_BYTES = 500
GZIP_LEVEL = 4
LARGEST_ANSWER_BYTES = 1_000_000
SHOWN_ANSWER_CHARS = 200

ACCEPTED_STATUS = 202
OK_LAST = 299
REDIRECT_LAST = 399
SERVER_ERROR_FIRST = 500


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


class Client:
    """Talks to one server with one key. Safe to share between threads."""

    def __init__(self, settings: Backend) -> None:
        self._settings = settings
        self._pool: PoolManager | None = None

    def post(self, path: str, body: bytes, *, answer_needed: bool = False) -> Outcome:
        """POST JSON to `path` and judge the answer. Raises nothing.

        `answer_needed`: only the door's own 202 counts as accepted, so that a portal that answers
        200 to everything does not swallow events.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        headers = {
            "Authorization": f"Bearer {self._settings.api_key.reveal()}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"mallard-agent/{__version__}",
        }
        if len(body) >= GZIP_FROM_BYTES:
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        url = self._settings.url + path
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
            return Outcome(Verdict.RETRY, f"{url} is not reachable: {_short(error)}")
        outcome = _judge(url, response, text, answer_needed=answer_needed)
        server_at = _time(response.headers.get("Date"))
        return replace(outcome, status=response.status, server_at=server_at)

    def close(self) -> None:
        """Close kept connections."""
        if self._pool is not None:
            self._pool.clear()

    def _opened(self) -> PoolManager:
        if self._pool is None:
            import urllib3  # noqa: PLC0415

            settings = self._settings
            self._pool = urllib3.PoolManager(
                num_pools=2,
                maxsize=4,
                retries=False,
                timeout=urllib3.Timeout(
                    connect=settings.connect_timeout_s,
                    read=settings.read_timeout_s,
                    total=settings.connect_timeout_s + settings.read_timeout_s,
                ),
            )
        return self._pool


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
    waits_s = retry_after_s(response.headers.get("Retry-After"))
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


def _time(header: str | None) -> datetime | None:
    """Return the time of a Date header; None without one or with one that is none."""
    try:
        at = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return at if at.tzinfo else None


def _short(error: Exception) -> str:
    """Return urllib3's error without the address of its objects."""
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(">: ")[2][:SHOWN_ANSWER_CHARS]
