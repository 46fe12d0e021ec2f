"""Processes of a mail program whose plugin reports events to the agent's receiver."""

import json
import random
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from build.lab import traffic
from build.lab.traffic import Connection, Sender

EVENTS_PATH = "/v1/events"
TIMEOUT_S = 5.0


def build_event(chance: random.Random) -> dict[str, Any]:
    """Return one delivered event as ZoneMTA's plugin reports it, of a usual size."""
    user, corporation = f"user{chance.randrange(5000)}", f"corp{chance.randrange(40)}.example"
    domain = f"dest{int(chance.paretovariate(1.2)) % 3000}.example"
    return traffic.build_event(
        chance,
        "delivered",
        f"{user}@{corporation}",
        f"person{chance.randrange(10**6)}@{domain}",
        event_id=str(uuid.UUID(int=chance.getrandbits(128), version=5)),
        occurred_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        message_id=f"<{chance.getrandbits(96):024x}@{corporation}>",
        queue_id=f"{chance.getrandbits(72):018x}",
        to_domain=domain,
        status_message=f"250 2.0.0 Ok: queued as {chance.getrandbits(44):011X}",
        total_time_ms=chance.randrange(200, 95000),
        auth_user=user,
    )


class FakePlugin(Sender):
    """One process. A batch is repeated until it is acknowledged, whatever happens to the agent.

    `plan` has for each batch the time from the beginning of the one before, which is acknowledged
    first, and its number of events.
    """

    def __init__(self, receiver: Path, seed: str, plan: Iterable[tuple[float, int]]) -> None:
        super().__init__()
        self.acknowledged: list[str] = []  # event ids
        self._chance = random.Random(seed)
        self._plan = plan
        headers = {"X-Mallard-Process": f"bench/{seed}", "X-Mallard-Dropped": "0"}
        self._connection = Connection(receiver, EVENTS_PATH, headers, timeout_s=TIMEOUT_S)
        self.start()

    def run(self) -> None:
        due_at = time.monotonic()
        for pause_s, size in self._plan:
            due_at = max(time.monotonic(), due_at + pause_s)
            if self.stopping.wait(max(0.0, due_at - time.monotonic())):
                break
            events = [build_event(self._chance) for _ in range(size)]
            body = json.dumps(events, separators=(",", ":")).encode()
            if self._connection.post_until_accepted(body, self.answers, self.give_up) is not None:
                self.acknowledged += [event["event_id"] for event in events]
        self._connection.close()
