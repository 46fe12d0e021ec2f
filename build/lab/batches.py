"""Bodies of POSTs as agents send them: cheap ones for load, reproducible ones for verification."""

import json
import os
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TEMPLATES_PER_CONNECTION = 16
FROM_DOMAINS = tuple(f"tenant-{n:02}.example" for n in range(20))
TO_DOMAINS = tuple(f"destination-{n:03}.example" for n in range(200))
#: A heavy tail: the first destinations get most of the mail.
TO_WEIGHTS = tuple(1 / (n + 1) for n in range(len(TO_DOMAINS)))
#: event type → how many of a hundred. None of them is inbound: the live probe's events are.
SHARES = {"sent": 45, "delivered": 44, "deferred": 8, "bounced": 3}
REPLIES = {
    "delivered": (250, "250 2.0.0 OK 1795255633 a640c23a62f3a-ab1f2 - gsmtp"),
    "deferred": (451, "451 4.3.0 Temporary system problem, try again later"),
    "bounced": (550, "550 5.1.1 The email account that you tried to reach does not exist"),
}

NULL_SENDER = "<>"
#: How often an event has a null sender; how often a batch begins a new epoch, comes after a gap
#: that the agent declares, has an event that the server refuses, or is of an earlier day.
NULL_SENDER_SHARE = 0.1
NEW_EPOCH_SHARE, GAP_SHARE, BAD_SHARE, LATE_SHARE = 0.005, 0.03, 0.1, 0.1
#: Few, so that several writers count into the same rows.
DOMAINS = tuple(f"d{n}.example" for n in range(12))


def build_template(rng: random.Random, *, node: str, mark: int) -> bytes:
    """Return one event with places for, in order: 8 hex digits, number, time, number, number.

    The id is 32 random bits, then `mark` (which connection) and the number: random enough to
    spread over the unique index as real ids do, and never the same twice.
    """
    kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
    sender, to_domain = rng.choice(FROM_DOMAINS), rng.choices(TO_DOMAINS, TO_WEIGHTS)[0]
    event: dict[str, object] = {
        "event_id": f"%b-{mark:04x}-5a3c-8f2e-%012x",
        "occurred_at": "%b",
        "event_type": kind,
        "direction": "outbound",
        "mta_node": node,
        "queue_id": "1a%016x",
        "queue_seq": f"{rng.randint(1, 4):03}",
        "message_id": f"<%x.{mark:04x}@{sender}>",
        "from_address": f"user{rng.randrange(40)}@{sender}",
        "to_address": f"someone{rng.randrange(5000)}@{to_domain}",
        "client_ip": f"198.51.100.{rng.randrange(1, 255)}",
        "zone": "default",
        "source": "zonemta_plugin",
        "certainty": "reported",
    }
    if kind != "sent":
        code, reply = REPLIES[kind]
        event |= {
            "sending_ip": f"192.0.2.{rng.randrange(1, 9)}",
            "mx_host": f"mx1.{to_domain}",
            "status_code": code,
            "status_message": reply,
            "attempt": 1,
        }
    if kind == "delivered":
        event |= {
            "delivery_time_ms": int(rng.lognormvariate(6.6, 0.9)),
            "queue_time_ms": rng.randrange(200, 4000),
            "message_size_bytes": int(rng.lognormvariate(9.9, 1.3)),
            "tls": "TLSv1.3",
        }
    elif kind in {"deferred", "bounced"}:
        event |= {
            "bounce_type": "soft" if kind == "deferred" else "hard",
            "bounce_category": "greylist" if kind == "deferred" else "recipient",
            "bounce_message": REPLIES[kind][1],
        }
    return json.dumps(event).encode()


@dataclass
class Bodies:
    """Endless numbered batches of one agent, `size` events each.

    A body is a template filled in with one formatting operation, about 1 µs an event: what making
    it costs is taken from the server, which shares the machine.
    """

    node: str
    epoch: str
    size: int
    mark: int
    made: int = 0

    def __post_init__(self) -> None:
        rng = random.Random(self.mark)  # noqa: S311 (the same load for every run)
        events = [
            build_template(rng, node=self.node, mark=self.mark)
            for _ in range(max(TEMPLATES_PER_CONNECTION, self.size))
        ]
        head = f'{{"epoch":"{self.epoch}","first_seq":%d,"events":['.encode()
        self._templates = [
            head + b",".join(rng.choices(events, k=self.size)) + b"]}"
            for _ in range(TEMPLATES_PER_CONNECTION)
        ]

    def next(self) -> bytes:
        """Return the next batch; every event happened just now."""
        first, self.made = self.made, self.made + self.size
        template = self._templates[first // self.size % len(self._templates)]
        at = datetime.now(UTC).isoformat(timespec="milliseconds").encode()
        spread = os.urandom(4 * self.size).hex().encode()
        values: list[int | bytes] = [first]
        for n in range(self.size):
            values += (spread[8 * n : 8 * n + 8], first + n, at, first + n, first + n)
        return template % tuple(values)


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
        """The agent's name for one life of its spool."""
        return f"crash-{self.node}-{self.epoch}"

    @property
    def numbers(self) -> range:
        """The numbers of its events."""
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
        """Return the id of an event: spread over the index, and unique."""
        spread = zlib.crc32(f"{self.node}|{self.epoch}|{number}".encode())
        return f"{spread:08x}-{self.node:04x}-5000-8{self.epoch:03x}-{number:012x}"

    def build_body(self) -> bytes:
        """Return the POST of this batch, the same each time."""
        body = {"epoch": self.epoch_name, "first_seq": self.first_seq, "dropped": self.dropped}
        return json.dumps(body | {"events": self._build_events(timedelta())}).encode()

    def build_inferred_body(self, *, later: timedelta) -> bytes:
        """Return the same events from a second source: dated later, without numbers."""
        events = self._build_events(later)
        return json.dumps([event | {"certainty": "inferred"} for event in events]).encode()

    def _build_events(self, later: timedelta) -> list[dict[str, object]]:
        events = []
        for index, number in enumerate(self.numbers):
            rng = random.Random(number << 16 | self.node << 8 | self.epoch)  # noqa: S311
            has_null_sender = rng.random() < NULL_SENDER_SHARE
            event: dict[str, object] = {
                "event_id": self.build_id(number),
                "occurred_at": (self.at + timedelta(milliseconds=index) + later).isoformat(),
                "event_type": rng.choice(list(SHARES)),
                "direction": "outbound",
                "queue_id": f"{self.node:02x}{number:016x}",
                "from_address": NULL_SENDER if has_null_sender else f"user@{rng.choice(DOMAINS)}",
                "to_address": f"someone@{rng.choice(DOMAINS)}",
                "sending_ip": f"192.0.2.{rng.randint(1, 4)}",
                "delivery_time_ms": rng.randrange(10_000),
                "message_size_bytes": rng.randrange(100_000),
            }
            if index in self.refused:
                event["status_code"] = 7
            events.append(event)
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
