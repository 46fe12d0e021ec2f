"""Pure: the events the senders make. Each can be made again from its numbers alone."""

import json
import random
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NULL_SENDER = "<>"
EVENT_TYPES = ("sent", "delivered", "deferred", "bounced")
#: How often an event has a null sender; how often a batch begins a new epoch, comes after a gap
#: that the agent declares, has an event that no door takes, or is of an earlier day.
NULL_SENDER_SHARE = 0.1
NEW_EPOCH_SHARE, GAP_SHARE, BAD_SHARE, LATE_SHARE = 0.005, 0.03, 0.1, 0.1
DOMAINS = tuple(f"d{n}.example" for n in range(12))


@dataclass(frozen=True)
class Batch:
    """One numbered batch: `count` events from number `first_seq` on, the first happened at `at`.

    `refused`: the indexes of events that no door takes. `dropped`: (first, last) numbers that the
    agent says it dropped before this batch.
    """

    node: int
    epoch: int
    first_seq: int
    count: int
    at: datetime
    refused: frozenset[int] = frozenset()
    dropped: tuple[tuple[int, int], ...] = ()

    @property
    def numbers(self) -> range:
        """The numbers of its events."""
        return range(self.first_seq, self.first_seq + self.count)

    @property
    def valid_ids(self) -> list[str]:
        """The ids of the events that must be stored."""
        return [
            event_id(self.node, self.epoch, number)
            for index, number in enumerate(self.numbers)
            if index not in self.refused
        ]

    def body(self) -> bytes:
        """Return the POST of this batch, the same each time."""
        return json.dumps(
            {
                "epoch": epoch_name(self.node, self.epoch),
                "first_seq": self.first_seq,
                "dropped": self.dropped,
                "events": self._events(),
            }
        ).encode()

    def retold(self, *, later: timedelta) -> bytes:
        """Return the same events as another source tells them: dated later, without numbers."""
        events = self._events(later=later)
        return json.dumps([event | {"certainty": "inferred"} for event in events]).encode()

    def _events(self, *, later: timedelta = timedelta()) -> list[dict[str, object]]:
        return [
            event(self, index, number, later=later) for index, number in enumerate(self.numbers)
        ]


def event(batch: Batch, index: int, number: int, *, later: timedelta) -> dict[str, object]:
    """Return one event of a batch."""
    rng = random.Random(number << 16 | batch.node << 8 | batch.epoch)  # noqa: S311
    null_sender = rng.random() < NULL_SENDER_SHARE
    made: dict[str, object] = {
        "event_id": event_id(batch.node, batch.epoch, number),
        "occurred_at": (batch.at + timedelta(milliseconds=index) + later).isoformat(),
        "event_type": rng.choice(EVENT_TYPES),
        "direction": "outbound",
        "queue_id": f"{batch.node:02x}{number:016x}",
        "from_address": NULL_SENDER if null_sender else f"user@{rng.choice(DOMAINS)}",
        "to_address": f"someone@{rng.choice(DOMAINS)}",
        "sending_ip": f"192.0.2.{rng.randint(1, 4)}",
        "delivery_time_ms": rng.randrange(10_000),
        "message_size_bytes": rng.randrange(100_000),
    }
    return made | {"status_code": 7} if index in batch.refused else made


def event_id(node: int, epoch: int, number: int) -> str:
    """Return the id of an event: spread over the index, and unique."""
    spread = zlib.crc32(f"{node}|{epoch}|{number}".encode())
    return f"{spread:08x}-{node:04x}-5000-8{epoch:03x}-{number:012x}"


def epoch_name(node: int, epoch: int) -> str:
    """Return what an agent calls one life of its spool."""
    return f"crash-{node}-{epoch}"


class Plan:
    """The batches of one agent, in seeded order: sizes, gaps, ages, new lives of its spool."""

    def __init__(self, node: int, *, seed: int) -> None:
        self.node = node
        self.rng = random.Random(f"{seed}|{node}")  # noqa: S311 (the same plan for a seed)
        self._epoch = 0
        self._next = 1

    def next_batch(self) -> Batch:
        """Return the next one."""
        rng = self.rng
        if rng.random() < NEW_EPOCH_SHARE:
            self._epoch, self._next = self._epoch + 1, 1
        dropped: tuple[tuple[int, int], ...] = ()
        if rng.random() < GAP_SHARE:
            gap = rng.randint(1, 20)
            dropped = ((self._next, self._next + gap - 1),)
            self._next += gap
        count = rng.choice((1, 1, 3, 10, 30, 100, 200))
        bad = rng.sample(range(count), 1) if count > 1 and rng.random() < BAD_SHARE else []
        batch = Batch(
            node=self.node,
            epoch=self._epoch,
            first_seq=self._next,
            count=count,
            at=datetime.now(UTC) - self._age(),
            refused=frozenset(bad),
            dropped=dropped,
        )
        self._next += count
        return batch

    def _age(self) -> timedelta:
        """Mostly now; sometimes what an agent kept while it was cut off, days ago."""
        if self.rng.random() < LATE_SHARE:
            return timedelta(seconds=self.rng.uniform(60, 5 * 86_400))
        return timedelta()
