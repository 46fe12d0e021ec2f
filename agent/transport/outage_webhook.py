"""Dead man's switch: calls a webhook when the server is not reached, and when it is reached again.

Its thread only reads the counts of the client, so that no receiver delays anything else. What it
knows is in a file of the state directory: a restart neither repeats a call nor forgets one.
"""

import hashlib
import logging
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from agent import clock
from agent.config import OutageWebhook as Settings
from agent.logs import ESCAPES, RateLimitedLog
from agent.transport.outage import (
    Call,
    Outage,
    advance,
    begin_attempt,
    find_retry_s,
    finish_attempt,
)
from agent.transport.stats import TransportStats
from agent.transport.webhook import CallError, Webhook

logger = logging.getLogger(__name__)

FILE_NAME = "outage.json"
MAX_LOOK_S, LOOKS = 5.0, 4
#: The time waited is stored so often: a restart forgets no more of it.
SAVE_EVERY_S = 30.0
MAX_REASON_CHARS = 300
KEY_CHARS = 32


class OutageWebhook:
    """Worker with its own thread."""

    name = "outage-webhook"

    def __init__(
        self, settings: Settings, stats: TransportStats, *, node: str, server: str, directory: Path
    ) -> None:
        self._settings, self._stats = settings, stats
        self._node, self._server = node, server
        self._file = directory / FILE_NAME
        self._webhook = Webhook(settings.url.reveal(), settings.secret.reveal())
        self._look_s = min(MAX_LOOK_S, settings.after_s / LOOKS)
        self._outage = Outage()
        self._accepted = self._failed = 0
        self._saved_s = 0.0
        self._due_s = float("-inf")
        self._warnings = RateLimitedLog(logger)

    @property
    def failures_total(self) -> int:
        """Calls that were not accepted, also before the last restart."""
        return self._outage.failures_total

    def run(self, stop: threading.Event) -> None:
        self._outage = load(self._file)
        looked_s = clock.monotonic_s()
        while not stop.wait(self._look_s):
            now_s = clock.monotonic_s()
            self._look(now_s - looked_s)
            looked_s = now_s
            if self._outage.call is not None and now_s >= self._due_s:
                self._attempt()

    def abort_overdue(self) -> None:
        """End a call past its deadline. To be called every few seconds."""
        self._webhook.abort_overdue()

    def end_by(self, end_s: float) -> None:
        """Bound the calls, present and future, by `end_s` of the monotonic clock."""
        self._webhook.end_by(end_s)

    def _look(self, elapsed_s: float) -> None:
        accepted, failed = self._stats.counts()
        reached = None
        if (accepted, failed) != (self._accepted, self._failed):
            reached = accepted > self._accepted
        self._accepted, self._failed = accepted, failed
        before = self._outage
        self._outage = advance(
            before,
            reached=reached,
            elapsed_s=elapsed_s,
            after_s=self._settings.after_s,
            now=clock.utc_now(),
        )
        if self._outage.call is not before.call:
            self._due_s = float("-inf")
        is_news = (self._outage.call, self._outage.since_at) != (before.call, before.since_at)
        if is_news or self._outage.waited_s - self._saved_s >= SAVE_EVERY_S:
            self._save()

    def _attempt(self) -> None:
        self._outage = begin_attempt(self._outage)
        call = self._outage.call
        if call is None:
            return
        self._save()
        error = ""
        try:
            self._webhook.call(self._build_body(call), key=make_key(self._node, call))
        except CallError as failure:
            error = str(failure)
            self._warnings.warn("call", "Of an outage nobody was notified: %s.", error)
        else:
            self._warnings.resolve("The webhook accepts calls again.")
            logger.info("The webhook was called: the server is %s.", call.kind)
        self._outage = finish_attempt(self._outage, error, clock.utc_now())
        self._due_s = clock.monotonic_s() + find_retry_s(call)
        self._save()

    def _build_body(self, call: Call) -> bytes:
        return build_body(
            call.kind,
            node=self._node,
            server=self._server,
            key=make_key(self._node, call),
            reason=self._stats.last_reason(),
            call=call,
        )

    def _save(self) -> None:
        self._saved_s = self._outage.waited_s
        temporary = self._file.with_suffix(".new")
        try:
            temporary.write_bytes(msgspec.json.encode(self._outage))
            temporary.replace(self._file)
        except OSError as error:
            # It goes on in memory: a full disk must not keep the call back.
            self._warnings.warn("save", "%s was not written: %s.", self._file, error.strerror)


def load(file: Path) -> Outage:
    """Return the stored state; that of a first start where there is none, or none valid."""
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(file.read_bytes(), type=Outage)
    return Outage()


def make_key(node: str, call: Call) -> str:
    """Return the idempotency key of a call: the same at each attempt, and no other node's."""
    return hashlib.sha256(f"{node}\0{call.key}".encode()).hexdigest()[:KEY_CHARS]


def build_body(
    kind: str, *, node: str, server: str, key: str, reason: str = "", call: Call | None = None
) -> bytes:
    """Return the JSON of a call; docs/agent.md describes it. `text` has no words from outside."""
    texts = {
        "unreachable": f"{node} cannot reach {server}: nobody is alerted of what happens there.",
        "reachable": f"{node} reaches {server} again.",
        "test": f"This is a test of the webhook of {node}. Nothing is wrong.",
    }
    return msgspec.json.encode(
        {
            "version": 1,
            "kind": kind,
            "key": key,
            "node": node,
            "server": server,
            "text": texts[kind],
            "since_at": call.since_at if call else None,
            "until_at": call.until_at if call else None,
            "reason": reason.translate(ESCAPES)[:MAX_REASON_CHARS] if kind == "unreachable" else "",
        }
    )
