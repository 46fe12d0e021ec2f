"""Processes of a mail program whose plugin reports events to the agent's receiver."""

import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from build.lab.traffic import ACCEPTED, Connection, post_until_accepted

EVENTS_PATH = "/v1/events"
TIMEOUT_S = 5.0


def build_event(chance: random.Random) -> dict[str, Any]:
    """Return one delivered event as ZoneMTA's plugin reports it, of a usual size."""
    sender = f"user{chance.randrange(5000)}@corp{chance.randrange(40)}.example"
    domain = f"dest{int(chance.paretovariate(1.2)) % 3000}.example"
    return {
        "event_id": str(uuid.UUID(int=chance.getrandbits(128), version=5)),
        "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event_type": "delivered",
        "direction": "outbound",
        "message_id": f"<{chance.getrandbits(96):024x}@{sender.rpartition('@')[2]}>",
        "queue_id": f"{chance.getrandbits(72):018x}",
        "queue_seq": f"{chance.randrange(1, 4):03d}",
        "from_address": sender,
        "to_address": f"person{chance.randrange(10**6)}@{domain}",
        "to_domain": domain,
        "sending_ip": f"192.0.2.{chance.randrange(1, 30)}",
        "mx_host": f"mx{chance.randrange(1, 5)}.{domain}",
        "status_code": 250,
        "status_message": f"250 2.0.0 Ok: queued as {chance.getrandbits(44):011X}",
        "delivery_time_ms": chance.randrange(80, 3000),
        "queue_time_ms": chance.randrange(100, 90000),
        "total_time_ms": chance.randrange(200, 95000),
        "attempt": 1,
        "message_size_bytes": chance.randrange(900, 400000),
        "tls": "TLSv1.3",
        "zone": "default",
        "auth_user": sender.partition("@")[0],
        "source": "zonemta_plugin",
        "certainty": "reported",
    }


class FakePlugin:
    """One process. A batch is repeated until it is acknowledged, whatever happens to the agent.

    `choose_size` draws the events of a batch, `choose_pause_s` the time from its beginning to that
    of the next one, which does not begin before it is acknowledged.
    """

    def __init__(
        self,
        receiver: Path,
        seed: str,
        choose_size: Callable[[random.Random], int],
        choose_pause_s: Callable[[random.Random], float],
    ) -> None:
        self.acknowledged: list[str] = []  # event ids
        self.answers: Counter[str] = Counter()
        self.sent_bytes = 0
        self._chance = random.Random(seed)  # noqa: S311 (reproducible)
        self._choose_size, self._choose_pause_s = choose_size, choose_pause_s
        headers = {"X-Mallard-Process": f"bench/{seed}", "X-Mallard-Dropped": "0"}
        self._connection = Connection(receiver, EVENTS_PATH, headers, timeout_s=TIMEOUT_S)
        self._stop = threading.Event()
        self._give_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def failures(self) -> int:
        """How many POSTs were not acknowledged."""
        return self.answers.total() - self.answers[str(ACCEPTED)]

    def finish(self, *, within_s: float) -> bool:
        """End when the batch under way is acknowledged; return whether it was in time."""
        self._stop.set()
        self._thread.join(within_s)
        is_in_time = not self._thread.is_alive()
        self._give_up.set()
        return is_in_time

    def _run(self) -> None:
        due_at = time.monotonic() + self._choose_pause_s(self._chance)
        while not self._stop.wait(max(0.0, due_at - time.monotonic())):
            events = [build_event(self._chance) for _ in range(self._choose_size(self._chance))]
            body = json.dumps(events, separators=(",", ":")).encode()
            answer = post_until_accepted(self._connection, body, self.answers, self._give_up)
            if answer is not None:
                self.acknowledged += [event["event_id"] for event in events]
                self.sent_bytes += len(body)
            due_at = max(time.monotonic(), due_at + self._choose_pause_s(self._chance))
        self._connection.close()
