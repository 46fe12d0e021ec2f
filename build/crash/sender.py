"""One agent: sends numbered batches, again until they are acknowledged, and keeps the oracle."""

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from build.crash.mail import Batch, Plan
from build.stack.ports import LOOPBACK

PATH = "/api/v1/events/ingest"
TIMEOUT_S = 15.0
RETRY_S = 0.1
#: A batch nobody acknowledges for this long after the last harm is given up, and the run fails.
FINISH_WITHIN_S = 180.0
#: How long an agent rests after each batch: the harm matters here, not the rate.
REST_S = 0.02
HELD_BATCHES = 8
HELD_SHARE = 0.06
#: Of a die from 0 to 1, up to where each trick goes; beyond the last a batch is sent plainly.
HANG_UP_TO, TELL_TWICE_TO, AGAIN_TO = 0.04, 0.12, 0.2


class Sender(threading.Thread):
    """Sends until `finish`, then until all it made is acknowledged.

    `acknowledged` has exactly the batches that were answered with 202.
    """

    def __init__(self, node: int, *, key: str, port: int, seed: int) -> None:
        super().__init__(name=f"sender-{node}", daemon=True)
        self.acknowledged: list[Batch] = []
        self.answers: Counter[str] = Counter()
        self.tricks: Counter[str] = Counter()
        self.given_up: list[Batch] = []
        self._plan = Plan(node, seed=seed)
        self._key, self._port = key, port
        self._held: list[tuple[int, Batch]] = []
        self._finish = threading.Event()
        self._give_up = threading.Event()
        self._first = Link(port, key, self._count)
        self._second = Link(port, key, self._count)

    def run(self) -> None:
        """Send. Batches held back go after younger ones."""
        while not self._finish.is_set():
            batch = self._plan.next_batch()
            if self._plan.rng.random() < HELD_SHARE and len(self._held) < HELD_BATCHES:
                self.tricks["held back"] += 1
                self._held.append((self._plan.rng.randint(1, 30), batch))
            else:
                self._deliver(batch)
            self._release()
            self._finish.wait(REST_S)
        for _, batch in self._held:
            self._deliver(batch)
        self._first.close()
        self._second.close()

    def finish(self) -> None:
        """Make no more batches."""
        self._finish.set()

    def join_or_give_up(self) -> None:
        """Wait for the end."""
        self.join(FINISH_WITHIN_S)
        self._give_up.set()
        self.join(2 * TIMEOUT_S)

    def _release(self) -> None:
        due = [batch for wait, batch in self._held if wait <= 1]
        self._held = [(wait - 1, batch) for wait, batch in self._held if wait > 1]
        for batch in due:
            self._deliver(batch)

    def _deliver(self, batch: Batch) -> None:
        """Send until acknowledged, with the tricks that real networks and agents play."""
        body, dice = batch.body(), self._plan.rng.random()
        if dice < HANG_UP_TO:
            self.tricks["answer not awaited"] += 1
            self._first.post_and_hang_up(body)
        told = None
        if HANG_UP_TO <= dice < TELL_TWICE_TO:
            # Two sources at the same time, as plugin and change stream are.
            self.tricks["told twice at once"] += 1
            later = timedelta(milliseconds=self._plan.rng.uniform(1, 3000))
            told = threading.Thread(target=self._second.post, args=[batch.retold(later=later)])
            told.start()
        while not self._first.post(body):
            if self._give_up.wait(RETRY_S):
                self.given_up.append(batch)
                return
        self.acknowledged.append(batch)
        if told:
            told.join()
        if TELL_TWICE_TO <= dice < AGAIN_TO:
            self.tricks["sent again"] += 1
            self._first.post(body)

    def _count(self, answer: str) -> None:
        self.answers[answer] += 1


class Link:
    """One keep-alive connection to the door. For one thread at a time."""

    def __init__(self, port: int, key: str, count: Callable[[str], None]) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_S)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._count = count

    def post(self, body: bytes) -> bool:
        """Return whether the batch was acknowledged."""
        try:
            self._connection.request("POST", PATH, body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._count(type(error).__name__)
            return False
        self._count(str(answer.status))
        return answer.status == http.HTTPStatus.ACCEPTED

    def post_and_hang_up(self, body: bytes) -> None:
        """Send, then lose the connection before the answer: nothing is acknowledged."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._connection.request("POST", PATH, body, self._headers)
        self._connection.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
