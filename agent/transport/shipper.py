"""Ships queues of the spool: peek, send, acknowledge. What is not acknowledged stays.

A batch that fails is tried again after 1, 2 and 4 s; then it is the spool's, and the waits grow to
a minute. What has gathered meanwhile goes oldest first, ten batches in a row and then a breath:
many agents come back at once, and the server answers others too.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent import clock
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
# Tries of a batch before a person is told: one lost connection is nothing to tell.
TRIES = 3
IN_A_ROW = 10
BREATH_S = 0.25


@dataclass(frozen=True)
class Route:
    """Where a queue goes and how its items become one body. `newer`: a server from before this door
    answers 404, and what it does not know is not kept for it."""

    path: str
    body: Callable[[Batch], bytes]
    newer: bool = False


class Lane:
    """One queue on its way: what a door does not take must not hold up what another does."""

    def __init__(self, queue: Queue, route: Route, *, most: int) -> None:
        self.queue = queue
        self.route = route
        self.limit = most  # items of the next batch; less after a 413
        self.failures = 0  # in a row
        self.due_s = float("-inf")  # not before, monotonic
        self.repeats = Repeats(logger)


class Shipper:
    """One thread's work, for one queue or several. `run` returns soon after `stop` is set and
    `wake` called."""

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
        self.beat_s = clock.monotonic_s()  # when it last moved
        #: The longest time it goes without moving: a wait, a POST, as much again for a slow disk.
        self.quiet_s = 2 * (IDLE_LOOK_S + settings.connect_timeout_s + settings.read_timeout_s)
        self._client = client
        self._settings = settings
        self._lanes = [Lane(*lane, most=settings.batch_events) for lane in lanes]
        self._wait_ratio = wait_ratio  # tests wait less
        self._end_s = float("-inf")
        self._wake = threading.Event()
        for queue, _ in lanes:
            queue.on_append(self._wake.set)

    def run(self, stop: threading.Event) -> None:
        """Ship until `stop` is set; then send what is left while the time given by `end_by` lasts
        and the server takes it."""
        in_a_row = 0
        while not stop.is_set():
            self._wake.clear()
            if self._ship_round():
                in_a_row += 1
                if in_a_row == IN_A_ROW:
                    in_a_row = 0
                    stop.wait(BREATH_S * self._wait_ratio)
                continue
            in_a_row = 0
            self._wake.wait(self._idle_s())
            self.beat_s = clock.monotonic_s()
            # A short linger gathers what belongs together into one POST.
            stop.wait(self._settings.linger_ms / 1000)
        while clock.monotonic_s() < self._end_s and self._ship_round(flushing=True):
            pass

    def end_by(self, end_s: float) -> None:
        """Say until when what is left may be sent after the stop, monotonic; before it is set."""
        self._end_s = end_s

    def wake(self) -> None:
        """Make a waiting thread look at its stop event."""
        self._wake.set()

    def _ship_round(self, *, flushing: bool = False) -> bool:
        """Send a batch of each queue that is due; return whether any was sent or is to be sent
        otherwise, so that another round makes sense at once."""
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
                lane.repeats.warn("spool", "%s", error)
                wait_s = IDLE_LOOK_S
            if wait_s == 0:
                again = True
        return again

    def ship_once(self, lane: Lane | None = None) -> float | None:
        """Send one batch; return how long this queue waits now, None when it was empty."""
        lane = lane or self._lanes[0]
        self.beat_s = clock.monotonic_s()
        batch = lane.queue.peek(max_count=lane.limit, max_bytes=self._settings.batch_bytes)
        if batch is None:
            return None
        outcome = self._client.post(lane.route.path, lane.route.body(batch), answer_needed=True)
        wait_s = self._settle(lane, batch, outcome)
        if wait_s:
            due_s = clock.monotonic_s() + wait_s * self._wait_ratio
            # Nobody answers at all: that is so for every queue.
            for each in self._lanes if outcome.status is None else [lane]:
                each.due_s = max(each.due_s, due_s)
        return wait_s

    def _idle_s(self) -> float:
        now_s = clock.monotonic_s()
        return min(
            [IDLE_LOOK_S, *(lane.due_s - now_s for lane in self._lanes if lane.due_s > now_s)]
        )

    def _settle(self, lane: Lane, batch: Batch, outcome: Outcome) -> float:
        match outcome.verdict:
            case Verdict.ACCEPTED:
                self._accepted(lane, batch, outcome)
            case Verdict.TOO_LARGE if len(batch.bodies) > 1:
                lane.limit = max(1, len(batch.bodies) // 2)
                logger.info("%s: sending %d at once.", outcome.reason, lane.limit)
                return 0
            case Verdict.INVALID | Verdict.MALFORMED | Verdict.TOO_LARGE if not batch.bodies:
                # Only drops to tell, and nothing in it to blame: the server or the way to it is.
                lane.repeats.warn("dropped", "%s Drops are told later.", outcome.reason)
                return KEEP_WAIT_S
            case Verdict.INVALID | Verdict.MALFORMED | Verdict.TOO_LARGE:
                # Of what it read and found wrong the server has named each; the rest is kept here.
                keep = outcome.verdict is not Verdict.INVALID
                lane.queue.set_aside(batch, outcome.reason, keep=keep)
                _refused(lane, len(batch.bodies), outcome.reason)
            case Verdict.KEEP if lane.route.newer and outcome.status == NOT_FOUND:
                count = lane.queue.drop_unknown()
                lane.repeats.warn(
                    "older",
                    "The server has no %s, it is older than this agent: %d samples are dropped and"
                    " counted. It is asked again every hour.",
                    lane.route.path,
                    count,
                )
                return OLDER_SERVER_WAIT_S
            case Verdict.KEEP:
                lane.failures += 1
                lane.repeats.warn("keep", "%s Kept; trying again.", outcome.reason)
                return outcome.retry_after_s or KEEP_WAIT_S
            case _:
                return _try_later(lane, outcome)
        lane.failures = 0
        return 0

    def _accepted(self, lane: Lane, batch: Batch, outcome: Outcome) -> None:
        if batch.dropped:
            count = sum(last - first + 1 for first, last in batch.dropped)
            logger.info("Told the server that %d %s were dropped.", count, lane.queue.name)
        rejected = outcome.answer.rejected if outcome.answer else []
        try:
            lane.queue.ack(batch, refused=len(rejected))
        except SpoolError as error:
            # A full disk. The queue knows that it was sent, and deletes it with what follows.
            lane.repeats.warn("ack", "Sent, but still in the spool: %s", error)
        if rejected:
            _refused(lane, len(rejected), rejected[0].error)
        lane.repeats.over("The server takes %s again.", lane.queue.name)
        # After a 413 find the way back up: the next batches may be smaller.
        lane.limit = min(lane.limit * 2, self._settings.batch_events)


def _try_later(lane: Lane, outcome: Outcome) -> float:
    lane.failures += 1
    reason = outcome.reason.rstrip(". ")
    if lane.failures < TRIES:
        logger.debug("%s: try %d of %d.", reason, lane.failures, TRIES)
    else:
        lane.repeats.warn("retry", "%s. The %s are kept; trying again.", reason, lane.queue.name)
    wait_s = delay_s(lane.failures, random.random())  # noqa: S311 (no secret)
    return max(wait_s, outcome.retry_after_s or 0)


def _refused(lane: Lane, count: int, reason: str) -> None:
    lane.repeats.warn(
        f"refused {reason}",
        "The server refused %d of the %s for good (counted, see `mallard-agent spool`): %s",
        count,
        lane.queue.name,
        reason,
    )
