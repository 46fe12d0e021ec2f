"""Bodies of POSTs as agents send them, each event with an id of its own, cheap to make.

A body is a template of many events that is filled in with one formatting operation, about 1 µs an
event: what the generator costs is taken from the server, which shares the machine.
"""

import json
import os
import random
from dataclasses import dataclass
from datetime import UTC, datetime

TEMPLATES_PER_CONNECTION = 16
FROM_DOMAINS = tuple(f"tenant-{n:02}.example" for n in range(20))
TO_DOMAINS = tuple(f"destination-{n:03}.example" for n in range(200))
#: A heavy tail: the first destinations get most of the mail.
TO_WEIGHTS = tuple(1 / (n + 1) for n in range(len(TO_DOMAINS)))
SENDING_IPS = tuple(f"192.0.2.{n}" for n in range(1, 9))
#: event type → how many of a hundred. Nothing here is inbound: the latency probe is.
SHARES = {"sent": 45, "delivered": 44, "deferred": 8, "bounced": 3}
REPLIES = {
    "delivered": (250, "250 2.0.0 OK 1795255633 a640c23a62f3a-ab1f2 - gsmtp"),
    "deferred": (451, "451 4.3.0 Temporary system problem, try again later"),
    "bounced": (550, "550 5.1.1 The email account that you tried to reach does not exist"),
}
CONTENT_TYPE = "application/json"


def one_template(rng: random.Random, *, node: str, mark: int) -> bytes:
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
            "sending_ip": rng.choice(SENDING_IPS),
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
    """An endless supply of numbered batches of one agent: `size` events each, of epoch `epoch`."""

    node: str
    epoch: str
    size: int
    mark: int
    made: int = 0

    def __post_init__(self) -> None:
        rng = random.Random(self.mark)  # noqa: S311 (the same load for every run)
        events = [
            one_template(rng, node=self.node, mark=self.mark)
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
        return template % tuple(fields(first, self.size, now_text()))


def fields(first: int, count: int, at: bytes) -> list[int | bytes]:
    """Return what fills a template of `count` events, numbered from `first`, its head included."""
    spread = os.urandom(4 * count).hex().encode()
    filled: list[int | bytes] = [first]
    for n in range(count):
        number = first + n
        filled += (spread[8 * n : 8 * n + 8], number, at, number, number)
    return filled


def now_text() -> bytes:
    """Return the time as RFC 3339 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").encode()
