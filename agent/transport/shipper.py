"""Ships one queue of the spool: peek, send, acknowledge. What is not acknowledged stays."""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from agent.config import Backend
from agent.errors import SpoolError
from agent.logs import Repeats
from agent.spool import Batch, Queue
from agent.transport.backoff import delay_s
from agent.transport.client import Client, Outcome, Verdict

logger = logging.getLogger(__name__)

# How long to leave a server alone whose key or address a person has to mend first.
KEEP_WAIT_S = 60.0
# How long until a server that had no door for a kind of sample is asked again: it may be upgraded.
OLDER_SERVER_WAIT_S = 3600.0
NOT_FOUND = 404
IDLE_LOOK_S = 30.0


@dataclass(frozen=True)
class Route:
    """Where a queue goes and how its items become one body. `newer`: a server from before this door
    answers 404, and what it does not know is not kept for it."""

    path: str
    body: Callable[[Batch], bytes]
    newer: bool = False


class Shipper:
    """One thread's work. `run` returns soon after `stop` is set and `wake` called."""

    def __init__(
        self,
        queue: Queue,
        client: Client,
        route: Route,
        settings: Backend,
        *,
        wait_ratio: float = 1.0,
    ) -> None:
        self.name = f"ship-{queue.name}"
        self._queue = queue
        self._client = client
        self._route = route
        self._settings = settings
        self._limit = settings.batch_events
        self._failures = 0
        self._wait_ratio = wait_ratio  # tests wait less
        self._repeats = Repeats(logger)

    def run(self, stop: threading.Event) -> None:
        """Ship until `stop` is set, then try once more to send what is left."""
        while not stop.is_set():
            try:
                waits_s = self.ship_once()
            except SpoolError as error:
                self._repeats.warn("spool", "%s", error)
                waits_s = IDLE_LOOK_S
            if waits_s is None:
                self._queue.wait(IDLE_LOOK_S)
                # A short linger gathers what belongs together into one POST.
                stop.wait(self._settings.linger_ms / 1000)
            elif waits_s > 0:
                stop.wait(waits_s * self._wait_ratio)

    def flush(self, still: Callable[[], bool]) -> None:
        """Send what is spooled while `still()` and while the server takes it."""
        try:
            while still() and self.ship_once() == 0:
                pass
        except SpoolError as error:
            self._repeats.warn("spool", "%s", error)

    def wake(self) -> None:
        """Make a waiting thread look at its stop event."""
        self._queue.wake()

    def ship_once(self) -> float | None:
        """Send one batch; return how long to wait, None when there was nothing to send."""
        batch = self._queue.peek(max_count=self._limit, max_bytes=self._settings.batch_bytes)
        if batch is None:
            return None
        body = self._route.body(batch)
        outcome = self._client.post(self._route.path, body, answer_needed=True)
        return self._settle(batch, outcome)

    def _settle(self, batch: Batch, outcome: Outcome) -> float:
        match outcome.verdict:
            case Verdict.ACCEPTED:
                self._accepted(batch, outcome)
            case Verdict.TOO_LARGE if len(batch.bodies) > 1:
                self._limit = max(1, len(batch.bodies) // 2)
                logger.info("%s: sending %d at once.", outcome.reason, self._limit)
                return 0
            case Verdict.INVALID | Verdict.MALFORMED | Verdict.TOO_LARGE if not batch.bodies:
                # Only drops to tell, and nothing in it to blame: the server or the way to it is.
                self._repeats.warn("dropped", "%s Drops are told later.", outcome.reason)
                return KEEP_WAIT_S
            case Verdict.INVALID | Verdict.MALFORMED | Verdict.TOO_LARGE:
                # Of what it read and found wrong the server has named each; the rest is kept here.
                keep = outcome.verdict is not Verdict.INVALID
                self._queue.set_aside(batch, outcome.reason, keep=keep)
                self._refused(len(batch.bodies), outcome.reason)
            case Verdict.KEEP if self._route.newer and outcome.status == NOT_FOUND:
                count = self._queue.drop_unknown()
                self._repeats.warn(
                    "older",
                    "The server has no %s, it is older than this agent: %d samples are dropped and"
                    " counted. It is asked again every hour.",
                    self._route.path,
                    count,
                )
                return OLDER_SERVER_WAIT_S
            case Verdict.KEEP:
                self._repeats.warn("keep", "%s Kept; trying again.", outcome.reason)
                return outcome.retry_after_s or KEEP_WAIT_S
            case _:
                self._failures += 1
                self._repeats.warn("retry", "%s. Kept; trying again.", outcome.reason)
                wait_s = delay_s(self._failures, random.random())  # noqa: S311 (no secret)
                return max(wait_s, outcome.retry_after_s or 0)
        self._failures = 0
        return 0

    def _accepted(self, batch: Batch, outcome: Outcome) -> None:
        if batch.dropped:
            count = sum(last - first + 1 for first, last in batch.dropped)
            logger.info("Told the server that %d %s were dropped.", count, self._queue.name)
        rejected = outcome.answer.rejected if outcome.answer else []
        self._queue.ack(batch, refused=len(rejected))
        if rejected:
            self._refused(len(rejected), rejected[0].error)
        self._repeats.over("The server takes %s again.", self._queue.name)
        # After a 413 find the way back up: the next batches may be smaller.
        self._limit = min(self._limit * 2, self._settings.batch_events)

    def _refused(self, count: int, reason: str) -> None:
        self._repeats.warn(
            f"refused {reason}",
            "The server refused %d of the %s for good (counted, see `agent spool`): %s",
            count,
            self._queue.name,
            reason,
        )
