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
from agent.transport.client import TOLERATED_SKEW, Action, Client, Outcome
from agent.transport.refusals import Cause, find_cause, kind_of

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
        # Until the server accepts items again: each only says what a person must fix.
        self.faults = RateLimitedLog(logger, period_s=float("inf"))
        self.is_faulty = False  # one of them was logged


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
        curable = _find_curable(batch, outcome)
        if curable:
            return self._keep_curable(lane, batch, outcome, curable)
        match outcome.action:
            case Action.ACCEPTED:
                self._acknowledge(lane, batch, outcome, {})
            case Action.TOO_LARGE if len(batch.bodies) > 1:
                lane.limit = max(1, len(batch.bodies) // 2)
                logger.info("%s: sending %d at once.", outcome.reason, lane.limit)
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
                return _drop_unknown(lane)
            case Action.KEEP:
                return _keep(lane, outcome)
            case _:
                return _retry_later(lane, outcome)
        lane.failures = 0
        return 0

    def _keep_curable(
        self, lane: Lane, batch: Batch, outcome: Outcome, curable: dict[int, Cause]
    ) -> float:
        if self._is_held(batch, curable):
            _warn_curable(lane, outcome, curable, "kept")
            lane.failures += 1
            return KEEP_WAIT_S
        self._acknowledge(lane, batch, outcome, curable if lane.queue.can_postpone else {})
        lane.failures = 0
        return 0

    def _is_held(self, batch: Batch, curable: dict[int, Cause]) -> bool:
        """Return whether the queue is to wait as it is: nothing that follows would fare better."""
        if batch.postponed or len(curable) < len(batch.bodies):
            return False
        ahead = self._client.stats.skew.ahead()
        return (ahead is not None and ahead > TOLERATED_SKEW) or set(curable.values()) == {
            Cause.NODE
        }

    def _acknowledge(
        self, lane: Lane, batch: Batch, outcome: Outcome, curable: dict[int, Cause]
    ) -> None:
        if batch.dropped:
            count = sum(last - first + 1 for first, last in batch.dropped)
            logger.info("Reported to the server that %d %s were dropped.", count, lane.queue.name)
        rejected = [each for each in outcome.refusals if each.index not in curable]
        try:
            lane.queue.ack(batch, refused=len(rejected), postponed=curable.keys())
            is_cured = lane.is_faulty and not curable and not lane.queue.has_postponed()
        except SpoolError as error:
            # A full disk. The queue remembers the batch as sent, and deletes it with the next one.
            lane.warnings.warn("ack", "Sent, but still in the spool: %s", error)
            is_cured = False
        if rejected:
            _log_refusal(lane, len(rejected), rejected[0].error)
        if curable:
            _warn_curable(lane, outcome, curable, "postponed")
        elif is_cured:
            lane.is_faulty = False
            lane.faults.resolve("The server accepts all %s again.", lane.queue.name)
        lane.warnings.resolve("The server accepts %s again.", lane.queue.name)
        # After a 413 grow again: the next items may be smaller.
        lane.limit = min(lane.limit * 2, self._settings.batch_events)


_CURES = {
    Cause.TIME: "Synchronise this node's clock with the server's: timedatectl set-ntp true.",
    Cause.NODE: "Check API_KEY and NODE_ID: the key is of another node.",
}


def _find_curable(batch: Batch, outcome: Outcome) -> dict[int, Cause]:
    """Return the refused items, by their places, that the server may accept later."""
    causes = {each.index: find_cause(each.error, each.code) for each in outcome.refusals}
    places = range(len(batch.bodies))
    return {place: cause for place, cause in causes.items() if cause and place in places}


def _warn_curable(lane: Lane, outcome: Outcome, curable: dict[int, Cause], done: str) -> None:
    reason = next(each.error for each in outcome.refusals if each.index in curable)
    lane.is_faulty = True
    lane.faults.warn(
        f"curable {kind_of(reason)}",
        "The server refuses some of the %s for now (%d of this batch): %s. They are %s and sent"
        " again. %s",
        lane.queue.name,
        len(curable),
        reason.rstrip("."),
        done,
        _CURES[curable[min(curable)]],
    )


def _drop_unknown(lane: Lane) -> float:
    count = lane.queue.drop_unknown()
    lane.warnings.warn(
        "older",
        "The server has no %s, it is older than this agent: %d samples are dropped and counted. The"
        " agent retries every hour.",
        lane.route.path,
        count,
    )
    return OLDER_SERVER_WAIT_S


def _keep(lane: Lane, outcome: Outcome) -> float:
    lane.failures += 1
    lane.is_faulty = True
    lane.faults.warn(f"keep {kind_of(outcome.reason)}", "%s Kept; retrying.", outcome.reason)
    return outcome.retry_after_s or KEEP_WAIT_S


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
        f"refused {kind_of(reason)}",
        "The server refused %d of the %s for good (counted, see `mallard-agent spool`): %s",
        count,
        lane.queue.name,
        reason,
    )
