"""Load of the throughput scenario: connections that send batches at a rate, or all they can."""

import gzip
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing import get_context

from build.lab.traffic import Bodies, connect_ingest

ANSWER_WITHIN_S = 60.0
#: After the load a batch is repeated for this long before the run fails.
FINISH_WITHIN_S = 300.0
#: Enough for what a network sees; the generator shares the machine.
GZIP_LEVEL = 1


@dataclass
class LoadResult:
    """Events acknowledged and refused, answers by status, and their times."""

    acknowledged: int = 0
    refused_events: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    ack_ms: list[float] = field(default_factory=list)
    took_s: float = 0.0


@dataclass(frozen=True)
class Load:
    """Batches of `batch` events for `seconds`; `rate` in events/s, 0 for as fast as it goes.

    `keys`: of the nodes, with their names. The connections are numbered from `first_mark` on.
    Without `rate` (closed loop) each connection sends the next batch when the last is answered.
    With it (open loop) batches are due at random times whatever the server does, and the time of
    an answer counts from when its batch was due: a slow server cannot hide by receiving less.
    """

    port: int
    keys: Sequence[tuple[str, str]]
    connections: int
    first_mark: int
    batch: int
    seconds: float
    rate: float = 0.0
    gzip: bool = False
    is_hostile: bool = False

    def run(self) -> LoadResult:
        """Send from a process of its own."""
        with get_context("spawn").Pool(1) as pool:  # killed at the end of the block in any case
            return pool.apply(self.send)

    def send(self) -> LoadResult:
        """Send for `seconds` and until the last batch is acknowledged, a thread a connection."""
        # Before the clock starts: making the templates of all bodies takes seconds.
        marks = range(self.first_mark, self.first_mark + self.connections)
        senders = [
            (key, Bodies(node, f"bench-{mark}", self.batch, mark, is_hostile=self.is_hostile))
            for mark, (node, key) in zip(marks, cycle(self.keys), strict=False)
        ]
        started = time.monotonic()
        result, lock, give_up = LoadResult(), threading.Lock(), threading.Event()
        due, stop_at = self._draw_due(started), started + self.seconds

        def take_due() -> float:
            with lock:
                return next(due)

        def send_all(sender: tuple[str, Bodies]) -> Counter[str]:
            key, bodies = sender
            encoding = {"Content-Encoding": "gzip"} if self.gzip else {}
            connection = connect_ingest(self.port, key, timeout_s=ANSWER_WITHIN_S, **encoding)
            answers: Counter[str] = Counter()
            while (due_at := take_due()) < stop_at:
                time.sleep(max(0.0, due_at - time.monotonic()))
                body = bodies.next()
                if self.gzip:
                    body = gzip.compress(body, GZIP_LEVEL)
                answer = connection.post_until_accepted(body, answers, give_up)
                if answer is None:
                    raise TimeoutError(f"a batch was not acknowledged: {answers}")
                result.ack_ms.append((time.monotonic() - due_at) * 1000)
                with lock:
                    result.acknowledged += self.batch
                    if b'"rejected":[]' not in answer:
                        result.refused_events += len(json.loads(answer)["rejected"])
            connection.close()
            return answers

        timer = threading.Timer(self.seconds + FINISH_WITHIN_S, give_up.set)
        timer.start()
        try:
            with ThreadPoolExecutor(self.connections) as pool:
                result.answers = sum(pool.map(send_all, senders), Counter())
        finally:
            timer.cancel()
        result.took_s = time.monotonic() - started
        return result

    def _draw_due(self, due_at: float) -> Iterator[float]:
        rng = random.Random(1)
        while True:
            yield due_at if self.rate else time.monotonic()
            due_at += rng.expovariate(self.rate / self.batch) if self.rate else 0.0
