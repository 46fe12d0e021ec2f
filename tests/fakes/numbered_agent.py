"""An agent that sends numbered batches to the ingest endpoint, with the tricks of real networks."""

import contextlib
import random
import threading
from collections import Counter
from datetime import timedelta

from build.lab.traffic import Connection, Sender, connect_ingest
from tests.batches import CLOCKS, Batch, plan_batches

TIMEOUT_S = 15.0
#: Rest of an agent after each batch: the faults matter here, not the rate.
REST_S = 0.02
MAX_HELD_BATCHES = 8
HELD_SHARE, RELEASED_SHARE = 0.06, 0.07
#: Of a die from 0 to 1, up to where each trick goes; beyond the last a batch is sent plainly.
HANG_UP_TO, SECOND_SOURCE_TO, AGAIN_TO = 0.04, 0.12, 0.2


class NumberedAgent(Sender):
    """Sends numbered batches; `acknowledged` has exactly those that were answered with 202."""

    def __init__(self, port: int, key: str, node: int, *, seed: int) -> None:
        super().__init__()
        self.acknowledged: list[Batch] = []
        self.tricks: Counter[str] = Counter()
        self.given_up: list[Batch] = []
        self._rng = random.Random(f"{seed}|{node}")
        self._plan = plan_batches(node, self._rng)
        self._first = connect_ingest(port, key, timeout_s=TIMEOUT_S)
        self._second = connect_ingest(port, key, timeout_s=TIMEOUT_S)
        self._first.ahead = self._second.ahead = CLOCKS.get(node, timedelta())
        self.start()

    def run(self) -> None:
        held: list[Batch] = []
        for batch in self._plan:
            if self._rng.random() < HELD_SHARE and len(held) < MAX_HELD_BATCHES:
                self.tricks["held back"] += 1
                held.append(batch)
            else:
                self._deliver(batch)
            is_last = self.stopping.wait(REST_S)
            while held and (is_last or self._rng.random() < RELEASED_SHARE):
                self._deliver(held.pop(self._rng.randrange(len(held))))
            if is_last:
                break
        self._first.close()
        self._second.close()

    def _deliver(self, batch: Batch) -> None:
        body, dice = batch.build_body(), self._rng.random()
        if dice < HANG_UP_TO:
            self.tricks["answer not awaited"] += 1
            with contextlib.suppress(OSError):
                self._first.send(body)
            self._first.close()
        second = None
        if HANG_UP_TO <= dice < SECOND_SOURCE_TO:
            # Two sources at the same time, as plugin and change stream are.
            self.tricks["from two sources at once"] += 1
            later = timedelta(milliseconds=self._rng.uniform(1, 3000))
            inferred = batch.build_inferred_body(later=later)
            second = threading.Thread(target=self._post, args=(self._second, inferred))
            second.start()
        if self._first.post_until_accepted(body, self.answers, self.give_up) is None:
            self.given_up.append(batch)
            return
        self.acknowledged.append(batch)
        if second:
            second.join()
        if SECOND_SOURCE_TO <= dice < AGAIN_TO:
            self.tricks["sent again"] += 1
            self._post(self._first, body)

    def _post(self, connection: Connection, body: bytes) -> None:
        self.answers[connection.post(body)[0]] += 1
