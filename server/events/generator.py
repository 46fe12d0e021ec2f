"""Pure: generated events that look like a small cluster's day, the same for the same seed.

For the demo, tests and benchmarks. They are labelled: node names begin with `generated-`.
Day curve, heavy-tailed destinations, and one incident: a destination that defers for a while.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import cos, pi
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

NAMESPACE = uuid5(NAMESPACE_URL, "urn:mallard:generated")
NODES = ("generated-mta-01", "generated-mta-02", "generated-mta-03")
INBOUND_NODE = "generated-mx-01"
SENDERS = ("newsletter.example", "shop.example", "corp.example", "bank.example")
DESTINATIONS = (
    "gmail.example", "outlook.example", "yahoo.example", "web.example", "mail.example",
    "university.example", "small-office.example",
)  # fmt: skip
#: A heavy tail: each destination gets about half of the one before it.
WEIGHTS = tuple(0.5**i for i in range(len(DESTINATIONS)))
#: Hour of the day (UTC) in which this destination defers most of what it is offered.
INCIDENT_DESTINATION, INCIDENT_HOUR, INCIDENT_SHARE = "outlook.example", 9, 0.7
INBOUND_SHARE = 0.35
#: A sent message gives about this many events: itself, its outcome, now and then a deferral.
EVENTS_PER_MESSAGE = 2.1
HOUR = timedelta(hours=1)
REPLIES = {
    "delivered": (250, "250 2.0.0 OK queued"),
    "deferred": (451, "451 4.7.500 Server busy. Please try again later"),
    "bounced": (550, "550 5.1.1 The email account that you tried to reach does not exist"),
    "rejected": (554, "554 5.7.1 Spam message rejected"),
    "greylisted": (451, "451 4.7.1 Greylisted. Please come back later."),
}

Row = dict[str, Any]


def hours(start: datetime, end: datetime) -> Iterator[datetime]:
    """Return the start of each whole hour that overlaps [start, end)."""
    at = start.replace(minute=0, second=0, microsecond=0)
    while at < end:
        yield at
        at += HOUR


def hour_of_events(hour: datetime, *, events_per_hour: int, seed: int) -> Iterator[Row]:
    """Yield the column values of one hour's events. The same arguments give the same events."""
    # Not for secrets: the same seed must give the same events.
    rng = random.Random(f"{seed}|{hour.isoformat()}")  # noqa: S311
    messages = round(events_per_hour * day_curve(hour.hour) / EVENTS_PER_MESSAGE)
    for number in range(messages):
        at = hour + timedelta(seconds=rng.uniform(0, 3600))
        key = f"{seed}|{hour.isoformat()}|{number}"
        inbound = rng.random() < INBOUND_SHARE
        yield from (_inbound if inbound else _outbound)(rng, at, key)


def day_curve(hour_of_day: int) -> float:
    """Return traffic at this hour relative to the day's mean: 0.4 at 3 h, 1.6 at 15 h."""
    return 1 - 0.6 * cos((hour_of_day - 3) / 24 * 2 * pi)


def _outbound(rng: random.Random, at: datetime, key: str) -> Iterator[Row]:
    to_domain = rng.choices(DESTINATIONS, WEIGHTS)[0]
    from_domain = rng.choices(SENDERS, (8, 4, 2, 1))[0]
    message = {
        "direction": "outbound",
        "mta_node": rng.choice(NODES),
        "queue_id": uuid5(NAMESPACE, key).hex[:18],
        "from_address": f"user{rng.randrange(40)}@{from_domain}",
        "from_user": None,
        "from_domain": from_domain,
        "to_address": f"someone{rng.randrange(900)}@{to_domain}",
        "to_domain": to_domain,
        "zone": "default",
    }
    size_bytes = min(int(rng.lognormvariate(9.9, 1.3)), 30_000_000)
    yield _event(message, key, "sent", at, attempt=0)
    at += timedelta(seconds=rng.uniform(0.2, 2))
    attempt = 1
    if rng.random() < _deferral_share(to_domain, at):
        yield _event(message, key, "deferred", at, attempt=attempt, bounce_type="soft")
        at += timedelta(minutes=rng.uniform(5, 40))
        attempt += 1
    final = "bounced" if rng.random() < 0.025 else "delivered"
    delivery_time_ms = min(int(rng.lognormvariate(6.6, 0.9)), 600_000)
    extra: Row = {"attempt": attempt, "mx_host": f"mx1.{to_domain}", "sending_ip": "192.0.2.10"}
    if final == "delivered":
        extra |= {"delivery_time_ms": delivery_time_ms, "message_size_bytes": size_bytes}
    else:
        extra |= {"bounce_type": "hard", "bounce_category": "recipient"}
    yield _event(message, key, final, at + timedelta(milliseconds=delivery_time_ms), **extra)


def _deferral_share(to_domain: str, at: datetime) -> float:
    incident = to_domain == INCIDENT_DESTINATION and at.hour == INCIDENT_HOUR
    return INCIDENT_SHARE if incident else 0.03


def _inbound(rng: random.Random, at: datetime, key: str) -> Iterator[Row]:
    message = {
        "direction": "inbound",
        "mta_node": INBOUND_NODE,
        "queue_id": str(uuid5(NAMESPACE, key)).upper(),
        "from_address": f"sender{rng.randrange(500)}@{rng.choice(DESTINATIONS)}",
        "to_address": f"user{rng.randrange(40)}@corp.example",
        "to_domain": "corp.example",
        "client_ip": f"198.51.100.{rng.randrange(1, 255)}",
    }
    message["from_domain"] = message["from_address"].rpartition("@")[2]
    yield _event(message, key, "received", at, message_size_bytes=rng.randrange(900, 400_000))
    outcome = rng.choices(("delivered", "rejected", "greylisted"), (80, 12, 8))[0]
    yield _event(message, key, outcome, at + timedelta(seconds=rng.uniform(0.1, 1)))


def _event(message: Row, key: str, event_type: str, at: datetime, **extra: Any) -> Row:
    status_code, reply = REPLIES.get(event_type, (None, None))
    return {
        **message,
        **extra,
        "event_id": _event_id(key, event_type),
        "event_type": event_type,
        "occurred_at": at,
        "status_code": status_code,
        "status_message": reply,
        "bounce_message": reply if event_type in {"bounced", "deferred"} else None,
        "source": "api",
        "certainty": "reported",
    }


def _event_id(key: str, event_type: str) -> UUID:
    return uuid5(NAMESPACE, f"{key}|{event_type}")
