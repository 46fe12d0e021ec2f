"""Numbered batches of events with what networks and nodes do to them, made from a seed."""

import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from build.lab.traffic import SHARES, build_event

NULL_SENDER = "<>"
#: How often an event has a null sender; how often a batch begins a new epoch, comes after a gap
#: that the agent declares, has an event that the server refuses, or is of an earlier day.
NULL_SENDER_SHARE = 0.1
NEW_EPOCH_SHARE, GAP_SHARE, BAD_SHARE, LATE_SHARE = 0.005, 0.03, 0.1, 0.1
#: Node → how far its clock, by which it dates its events, is ahead.
CLOCKS = {1: timedelta(minutes=11), 2: -timedelta(hours=1)}
#: Few, so that several writers count into the same rows.
DOMAINS = tuple(f"d{n}.example" for n in range(12))


@dataclass(frozen=True)
class Batch:
    """One numbered batch: `count` events from number `first_seq` on, the first happened at `at`.

    It can be made again from these numbers alone. `refused`: the indexes of invalid events.
    `dropped`: (first, last) numbers that the agent dropped before this batch.
    """

    node: int
    epoch: int
    first_seq: int
    count: int
    at: datetime
    refused: frozenset[int] = frozenset()
    dropped: tuple[tuple[int, int], ...] = ()

    @property
    def epoch_name(self) -> str:
        return f"crash-{self.node}-{self.epoch}"

    @property
    def numbers(self) -> range:
        return range(self.first_seq, self.first_seq + self.count)

    @property
    def valid_ids(self) -> list[str]:
        """The ids of the events that must be stored."""
        return [
            self.build_id(number)
            for index, number in enumerate(self.numbers)
            if index not in self.refused
        ]

    def build_id(self, number: int) -> str:
        spread = zlib.crc32(f"{self.node}|{self.epoch}|{number}".encode())
        return f"{spread:08x}-{self.node:04x}-5000-8{self.epoch:03x}-{number:012x}"

    def build_body(self) -> bytes:
        body = {"epoch": self.epoch_name, "first_seq": self.first_seq, "dropped": self.dropped}
        return json.dumps(body | {"events": self._build_events(timedelta())}).encode()

    def build_inferred_body(self, *, later: timedelta) -> bytes:
        """Return the same events from a second source: dated later, without numbers."""
        events = self._build_events(later)
        return json.dumps([event | {"certainty": "inferred"} for event in events]).encode()

    def _build_events(self, later: timedelta) -> list[dict[str, object]]:
        events = []
        first_at = self.at + CLOCKS.get(self.node, timedelta()) + later
        for index, number in enumerate(self.numbers):
            rng = random.Random(number << 16 | self.node << 8 | self.epoch)
            has_null_sender = rng.random() < NULL_SENDER_SHARE
            event = build_event(
                rng,
                rng.choice(list(SHARES)),
                NULL_SENDER if has_null_sender else f"user@{rng.choice(DOMAINS)}",
                f"someone@{rng.choice(DOMAINS)}",
                event_id=self.build_id(number),
                occurred_at=(first_at + timedelta(milliseconds=index)).isoformat(),
                queue_id=f"{self.node:02x}{number:016x}",
            )
            events.append(event | ({"status_code": 7} if index in self.refused else {}))
        return events


def plan_batches(node: int, rng: random.Random) -> Iterator[Batch]:
    """Yield the batches of one agent in drawn order: sizes, gaps, new lives of its spool; mostly of
    now, sometimes of days ago, as after an outage."""
    epoch, first_seq = 0, 1
    while True:
        if rng.random() < NEW_EPOCH_SHARE:
            epoch, first_seq = epoch + 1, 1
        dropped: tuple[tuple[int, int], ...] = ()
        if rng.random() < GAP_SHARE:
            gap = rng.randint(1, 20)
            dropped = ((first_seq, first_seq + gap - 1),)
            first_seq += gap
        count = rng.choice((1, 1, 3, 10, 30, 100, 200))
        bad = rng.sample(range(count), 1) if count > 1 and rng.random() < BAD_SHARE else []
        age_s = rng.uniform(60, 5 * 86_400) if rng.random() < LATE_SHARE else 0.0
        at = datetime.now(UTC) - timedelta(seconds=age_s)
        yield Batch(node, epoch, first_seq, count, at, refused=frozenset(bad), dropped=dropped)
        first_seq += count
