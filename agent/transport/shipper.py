"""Shipper of the spool's queues: peek, send, acknowledge. Unacknowledged items stay in the spool.

A failed batch is retried after 1, 2 and 4 s; then the waits grow to a minute. A backlog goes oldest
first, with a pause after every ten batches: many agents return at once after an outage, and the
server has other clients too.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent import clock
from agent.config import Backend
from agent.errors import SpoolError
from agent.logs import RateLimitedLog
from agent.spool import Batch, Queue
from agent.transport.backoff import delay_s
from agent.transport.client import Action, Client, Outcome

logger = logging.getLogger(__name__)

# Wait before a retry when a person has to fix key or address first.
KEEP_WAIT_S = 60.0
# Wait before a retry of an endpoint that an older server lacks: it may be upgraded.
OLDER_SERVER_WAIT_S = 3600.0
NOT_FOUND = 404
MAX_IDLE_S = 30.0
# Failed tries of a batch before a warning: one lost connection is normal.
TRIES = 3
BATCHES_BEFORE_PAUSE = 10
PAUSE_S = 0.25


@dataclass(frozen=True)
class Route:
    """Endpoint of a queue and encoder of its batches. `newer`: older servers answer 404, and then
    the queue is dropped."""

    path: str
    body: Callable[[Batch], bytes]
    newer: bool = False


class Lane:
    """Sending state of one queue, apart from the others so that a failing endpoint delays only its
    own queue."""

    def __init__(self, queue: Queue, route: Route, *, batch_items: int) -> None:
        self.queue = queue
        self.route = route
        self.limit = batch_items  # of the next batch; less after a 413
        self.failures = 0  # in a row
        self.due_s = float("-inf")  # not before, monotonic
        self.warnings = RateLimitedLog(logger)


class Shipper:
    """Worker for one queue or several. `run` returns soon after `stop` is set and `wake` called."""

    def __init__(
        self,
        lanes: Sequence[tuple[Queue, Route]],
        client: Client,
        settings: Backend,
        *,
        name: str = "",
        wait_ratio: float = 1.0,
    ) -> None:
        self.name = f"ship-{name or lanes[0][0].name}"
        self.progress_s = clock.monotonic_s()  # time of its last step
        #: Longest time between two steps: a wait, a POST, and as much again for a slow disk.
        self.max_step_s = 2 * (MAX_IDLE_S + settings.connect_timeout_s + settings.read_timeout_s)
        self._client = client
        self._settings = settings
        self._lanes = [Lane(*lane, batch_items=settings.batch_events) for lane in lanes]
        self._wait_ratio = wait_ratio
        self._end_s = float("-inf")
        self._wake = threading.Event()
        for queue, _ in lanes:
            queue.on_append(self._wake.set)

    def run(self, stop: threading.Event) -> None:
        """Ship until `stop` is set; then send the rest until the time given by `end_by`, as long as
        the server accepts it."""
        batches = 0
        while not stop.is_set():
            self._wake.clear()
            if self._ship_round():
                batches += 1
                if batches == BATCHES_BEFORE_PAUSE:
                    batches = 0
                    stop.wait(PAUSE_S * self._wait_ratio)
                continue
            batches = 0
            self._wake.wait(self._idle_s())
            self.progress_s = clock.monotonic_s()
            # A short linger collects related events into one POST.
            stop.wait(self._settings.linger_ms / 1000)
        while clock.monotonic_s() < self._end_s and self._ship_round(flushing=True):
            pass

    def end_by(self, end_s: float) -> None:
        """Set the end of sending after `stop`, monotonic. To be called before `stop` is set."""
        self._end_s = end_s

    def wake(self) -> None:
        """Make a waiting thread check its stop event."""
        self._wake.set()

    def _ship_round(self, *, flushing: bool = False) -> bool:
        """Send a batch of each queue that is due; return whether another round may follow at once:
        a batch was sent, or is to be sent in smaller pieces."""
        again = False
        for lane in self._lanes:
            now_s = clock.monotonic_s()
            if now_s < lane.due_s and not (flushing and lane.failures == 0):
                continue
            if flushing and now_s >= self._end_s:
                return False
            try:
                wait_s = self.ship_once(lane)
            except SpoolError as error:
                lane.warnings.warn("spool", "%s", error)
                wait_s = MAX_IDLE_S
            if wait_s == 0:
                again = True
        return again

    def ship_once(self, lane: Lane | None = None) -> float | None:
        """Send one batch; return the wait of this queue, None when it was empty."""
        lane = lane or self._lanes[0]
        self.progress_s = clock.monotonic_s()
        batch = lane.queue.peek(max_count=lane.limit, max_bytes=self._settings.batch_bytes)
        if batch is None:
            return None
        outcome = self._client.post(lane.route.path, lane.route.body(batch), answer_needed=True)
        wait_s = self._apply(lane, batch, outcome)
        if wait_s:
            due_s = clock.monotonic_s() + wait_s * self._wait_ratio
            # Without any response all queues wait: they share the server.
            for each in self._lanes if outcome.status is None else [lane]:
                each.due_s = max(each.due_s, due_s)
        return wait_s

    def _idle_s(self) -> float:
        now_s = clock.monotonic_s()
        return min(
            [MAX_IDLE_S, *(lane.due_s - now_s for lane in self._lanes if lane.due_s > now_s)]
        )

    def _apply(self, lane: Lane, batch: Batch, outcome: Outcome) -> float:
        match outcome.action:
            case Action.ACCEPTED:
                self._acknowledge(lane, batch, outcome)
            case Action.TOO_LARGE if len(batch.bodies) > 1:
                lane.limit = max(1, len(batch.bodies) // 2)
                logger.info("%s: sending %d at once.", outcome.reason, lane.limit)
                return 0
            case Action.INVALID | Action.MALFORMED | Action.TOO_LARGE if not batch.bodies:
                # Only a report of drops, with no item to blame: the fault is the server's.
                lane.warnings.warn("dropped", "%s Drops are reported later.", outcome.reason)
                return KEEP_WAIT_S
            case Action.INVALID | Action.MALFORMED | Action.TOO_LARGE:
                # Items that the server parsed and refused are in its log; the rest is kept here.
                keep = outcome.action is not Action.INVALID
                lane.queue.set_aside(batch, outcome.reason, keep=keep)
                _log_refusal(lane, len(batch.bodies), outcome.reason)
            case Action.KEEP if lane.route.newer and outcome.status == NOT_FOUND:
                count = lane.queue.drop_unknown()
                lane.warnings.warn(
                    "older",
                    "The server has no %s, it is older than this agent: %d samples are dropped and"
                    " counted. The agent retries every hour.",
                    lane.route.path,
                    count,
                )
                return OLDER_SERVER_WAIT_S
            case Action.KEEP:
                lane.failures += 1
                lane.warnings.warn("keep", "%s Kept; retrying.", outcome.reason)
                return outcome.retry_after_s or KEEP_WAIT_S
            case _:
                return _retry_later(lane, outcome)
        lane.failures = 0
        return 0

    def _acknowledge(self, lane: Lane, batch: Batch, outcome: Outcome) -> None:
        if batch.dropped:
            count = sum(last - first + 1 for first, last in batch.dropped)
            logger.info("Reported to the server that %d %s were dropped.", count, lane.queue.name)
        rejected = outcome.answer.rejected if outcome.answer else []
        try:
            lane.queue.ack(batch, refused=len(rejected))
        except SpoolError as error:
            # A full disk. The queue remembers the batch as sent, and deletes it with the next one.
            lane.warnings.warn("ack", "Sent, but still in the spool: %s", error)
        if rejected:
            _log_refusal(lane, len(rejected), rejected[0].error)
        lane.warnings.resolve("The server accepts %s again.", lane.queue.name)
        # After a 413 grow again: the next items may be smaller.
        lane.limit = min(lane.limit * 2, self._settings.batch_events)


def _retry_later(lane: Lane, outcome: Outcome) -> float:
    lane.failures += 1
    reason = outcome.reason.rstrip(". ")
    if lane.failures < TRIES:
        logger.debug("%s: try %d of %d.", reason, lane.failures, TRIES)
    else:
        lane.warnings.warn("retry", "%s. The %s are kept; retrying.", reason, lane.queue.name)
    wait_s = delay_s(lane.failures, random.random())  # noqa: S311 (no secret)
    return max(wait_s, outcome.retry_after_s or 0)


def _log_refusal(lane: Lane, count: int, reason: str) -> None:
    lane.warnings.warn(
        f"refused {reason}",
        "The server refused %d of the %s for good (counted, see `mallard-agent spool`): %s",
        count,
        lane.queue.name,
        reason,
    )
