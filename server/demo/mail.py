"""Pure: generated events that look like a cluster's days, the same for the same seed.

For the demo, tests and benchmarks. They are labelled: node names begin with `generated-`.

Day curve, heavy-tailed senders and destinations, several zones and sending addresses, and each day
incidents: a destination that defers, on some days an address that is blocked, a node that is dead.
A UTC day is complete by itself: attempts that would fall on the next day are left out.
"""

import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import accumulate
from math import cos, pi
from typing import Any
from uuid import UUID

NODES_MIN = 2
SENDERS = ("newsletter.example", "shop.example", "corp.example", "bank.example")
DESTINATIONS = (
    "gmail.example", "outlook.example", "yahoo.example", "web.example", "mail.example",
    "university.example", "small-office.example",
)  # fmt: skip
#: MX of destinations whose mail an operator takes; the others have hosts of their own. Of the
#: domains of a larger cluster, each OPERATED_EVERYth is one operator's customer.
OPERATED = {
    "gmail.example": "gmail-smtp-in.l.google.com",
    "outlook.example": "outlook-com.olc.protection.outlook.com",
    "yahoo.example": "mta{n}.am0.yahoodns.net",
    "university.example": "university-example.mail.protection.outlook.com",
}
OPERATED_EVERY, CUSTOMERS_MX = 3, "{domain}.mail.protection.outlook.com"
#: A cluster larger than this has more customers and destinations for each further node.
SMALL_NODES = 4
MORE_SENDERS_PER_NODE, MORE_DESTINATIONS_PER_NODE = 10, 100
#: Hour of the day (UTC) in which this destination defers most of what it is offered.
INCIDENT_DESTINATION, INCIDENT_HOUR, INCIDENT_SHARE = "outlook.example", 9, 0.7
INBOUND_SHARE = 0.35
#: A message gives about this many events: itself, its outcome, now and then a deferral.
EVENTS_PER_MESSAGE = 2.1
ADDRESSES_PER_NODE = 3
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REPLIES = {
    "delivered": (250, "250 2.0.0 OK queued"),
    "deferred": (451, "451 4.7.500 Server busy. Please try again later"),
    "rejected": (554, "554 5.7.1 Spam message rejected"),
    "greylisted": (451, "451 4.7.1 Greylisted. Please come back later."),
}
#: Bounces: share, type, category, reply.
BOUNCES = (
    (60, "hard", "recipient", 550, "550 5.1.1 The email account that you tried to reach does not"
     " exist"),
    (15, "soft", "capacity", 452, "452 4.2.2 The recipient's inbox is out of storage space"),
    (15, "hard", "policy", 550, "550 5.7.26 This mail has been blocked because the sender is"
     " unauthenticated"),
    (10, "hard", "spam", 554, "554 5.7.1 Message rejected as spam"),
)  # fmt: skip
BLOCKED = ("hard", "blacklist", 554, "554 5.7.1 Service unavailable; client host is on a blocklist")
_BOUNCE_SHARES = tuple(accumulate(share for share, *_ in BOUNCES))

Row = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """Nodes, senders and destinations of a cluster; a fifth of the nodes receive.

    `…_shares` are accumulated: the share of each and of all before it.
    """

    outbound: tuple[str, ...]
    inbound: tuple[str, ...]
    senders: tuple[str, ...]
    sender_shares: tuple[float, ...]
    destinations: tuple[str, ...]
    destination_shares: tuple[float, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        return self.outbound + self.inbound


@dataclass(frozen=True)
class Incidents:
    """Incidents of one day: a dead node, a blocked address, each from hour to hour."""

    dead_node: str | None
    dead_hours: tuple[float, float]
    blocked_address: str | None
    blocked_hours: tuple[float, float]


@cache
def cluster(nodes: int = SMALL_NODES) -> Cluster:
    if nodes < NODES_MIN:
        raise ValueError(f"a cluster has {NODES_MIN} nodes at least")
    receiving = max(1, nodes // 5)
    more = max(0, nodes - SMALL_NODES)
    senders = SENDERS + _named("customer", more * MORE_SENDERS_PER_NODE)
    destinations = DESTINATIONS + _named("domain", more * MORE_DESTINATIONS_PER_NODE)
    return Cluster(
        outbound=tuple(f"generated-mta-{i + 1:02}" for i in range(nodes - receiving)),
        inbound=tuple(f"generated-mx-{i + 1:02}" for i in range(receiving)),
        senders=senders,
        sender_shares=_heavy_tail(len(SENDERS), len(senders)),
        destinations=destinations,
        destination_shares=_heavy_tail(len(DESTINATIONS), len(destinations)),
    )


def hours(start: datetime, end: datetime) -> Iterator[datetime]:
    """Return the start of each hour that overlaps [start, end)."""
    at = start.replace(minute=0, second=0, microsecond=0)
    while at < end:
        yield at
        at += HOUR


def hour_of_events(
    hour: datetime, *, events_per_hour: int, seed: int, nodes: int = SMALL_NODES
) -> Iterator[Row]:
    """Yield the column values of the events of messages that begin in an hour.

    The same arguments give the same events; more events an hour add to those of fewer. Not in the
    order of time.
    """
    of = cluster(nodes)
    # Not for secrets: the same seed must give the same events.
    rng = random.Random(f"{seed}|{nodes}|{hour.isoformat()}")  # noqa: S311
    midnight = hour.replace(hour=0) + DAY
    wrong = incidents(hour, seed=seed, nodes=nodes)
    for _ in range(round(events_per_hour * day_curve(hour.hour) / EVENTS_PER_MESSAGE)):
        at = hour + timedelta(seconds=rng.uniform(0, 3600))
        inbound = rng.random() < INBOUND_SHARE
        for row in (_inbound if inbound else _outbound)(rng, at, of, wrong):
            if row["occurred_at"] < midnight:
                yield row


def day_curve(hour_of_day: float) -> float:
    """Return traffic at this hour relative to the day's mean: 0.4 at 3 h, 1.6 at 15 h."""
    return 1 - 0.6 * cos((hour_of_day - 3) / 24 * 2 * pi)


def incidents(at: datetime, *, seed: int, nodes: int = SMALL_NODES) -> Incidents:
    """Return the incidents on the UTC day of `at`, beside the deferring destination."""
    of = cluster(nodes)
    rng = random.Random(f"{seed}|{nodes}|{at:%F}")  # noqa: S311 (see above)
    dead, dead_from, dead_for = rng.random() < 0.2, rng.uniform(10, 20), rng.uniform(0.7, 3)
    blocked, blocked_from = rng.random() < 0.3, rng.uniform(4, 16)
    # The first stays, so that a small cluster is never without any.
    node = rng.randrange(1, len(of.outbound)) if len(of.outbound) > 1 else None
    return Incidents(
        dead_node=of.outbound[node] if dead and node else None,
        dead_hours=(dead_from, dead_from + dead_for),
        blocked_address=sending_ip(rng.randrange(len(of.outbound)), 0) if blocked else None,
        blocked_hours=(blocked_from, blocked_from + 3),
    )


def sending_ip(node: int, place: int) -> str:
    """Return an address of the `node`th sending node. TEST-NET-1 and its neighbours' networks."""
    number = node * ADDRESSES_PER_NODE + place
    network = ("192.0.2", "203.0.113")[number // 240 % 2]
    return f"{network}.{10 + number % 240}"


def _outbound(rng: random.Random, at: datetime, of: Cluster, wrong: Incidents) -> Iterator[Row]:
    hour_of_day = at.hour + at.minute / 60
    to_domain = _choose(rng, of.destinations, of.destination_shares)
    from_domain = _choose(rng, of.senders, of.sender_shares)
    node = rng.randrange(len(of.outbound))
    if of.outbound[node] == wrong.dead_node and is_within(hour_of_day, wrong.dead_hours):
        node = 0  # the others take over
    bulk = from_domain == SENDERS[0]
    address = sending_ip(node, 2 if bulk else rng.randrange(2))
    is_blocked = address == wrong.blocked_address and is_within(hour_of_day, wrong.blocked_hours)
    queue_id = f"{rng.getrandbits(72):018x}"
    user = f"user{rng.randrange(40)}"
    message = {
        "direction": "outbound",
        "mta_node": of.outbound[node],
        "queue_id": queue_id,
        "queue_seq": "001",
        "message_id": f"<{rng.getrandbits(96):024x}@{from_domain}>",
        "from_address": f"{user}@{from_domain}",
        "from_user": user,
        "from_domain": from_domain,
        "to_address": f"someone{rng.randrange(900)}@{to_domain}",
        "to_domain": to_domain,
        "zone": "bulk" if bulk else "default",
        "auth_user": f"{user}@{from_domain}",
        "account": f"{user}@{from_domain}",
        "origin": "smtp",
    }
    size_bytes = min(int(rng.lognormvariate(9.9, 1.3)), 30_000_000)
    yield _event(rng, message, "sent", at, attempt=0)
    at += timedelta(seconds=rng.uniform(0.2, 2))
    tried: Row = {"mx_host": _mx(to_domain, rng.randrange(1, 4)), "sending_ip": address}
    attempt = 1
    while attempt < 4 and rng.random() < _deferral_share(to_domain, at):
        yield _event(
            rng, message, "deferred", at, **tried, attempt=attempt, bounce_type="soft",
            bounce_category="greylist" if attempt == 1 else "other",
        )  # fmt: skip
        at += timedelta(minutes=rng.uniform(5, 40))
        attempt += 1
    delivery_time_ms = min(int(rng.lognormvariate(6.6, 0.9)), 600_000)
    at += timedelta(milliseconds=delivery_time_ms)
    if rng.random() < (0.8 if is_blocked else 0.025):
        place = bisect(_BOUNCE_SHARES, rng.random() * _BOUNCE_SHARES[-1])
        kind, category, code, reply = BLOCKED if is_blocked else BOUNCES[place][1:]
        yield _event(
            rng, message, "bounced", at, **tried, attempt=attempt, bounce_type=kind,
            bounce_category=category, status_code=code, status_message=reply, bounce_message=reply,
        )  # fmt: skip
    else:
        yield _event(
            rng, message, "delivered", at, **tried, attempt=attempt, tls="TLSv1.3",
            delivery_time_ms=delivery_time_ms, message_size_bytes=size_bytes,
        )  # fmt: skip


def _mx(domain: str, n: int) -> str:
    name, _, number = domain.removesuffix(".example").partition("-")
    if number.isdigit() and int(number) % OPERATED_EVERY == 0:
        return CUSTOMERS_MX.format(domain=f"{name}-{number}-example")
    return OPERATED.get(domain, "mx{n}.{domain}").format(n=n, domain=domain)


def _deferral_share(to_domain: str, at: datetime) -> float:
    incident = to_domain == INCIDENT_DESTINATION and at.hour == INCIDENT_HOUR
    return INCIDENT_SHARE if incident else 0.03


def _inbound(rng: random.Random, at: datetime, of: Cluster, _wrong: Incidents) -> Iterator[Row]:
    from_domain = _choose(rng, of.destinations, of.destination_shares)
    # Those who receive are customers, but the one that sends newsletters.
    to_domain = of.senders[2 + int(rng.random() ** 3 * (len(of.senders) - 2))]
    message = {
        "direction": "inbound",
        "mta_node": rng.choice(of.inbound),
        "queue_id": str(UUID(int=rng.getrandbits(128))).upper(),
        "message_id": f"<{rng.getrandbits(96):024x}@{from_domain}>",
        "from_address": f"sender{rng.randrange(500)}@{from_domain}",
        "from_domain": from_domain,
        "to_address": f"user{rng.randrange(40)}@{to_domain}",
        "to_domain": to_domain,
        "client_ip": f"198.51.100.{rng.randrange(1, 255)}",
    }
    yield _event(rng, message, "received", at, message_size_bytes=rng.randrange(900, 400_000))
    chance = rng.random()
    outcome = "delivered" if chance < 0.8 else "rejected" if chance < 0.92 else "greylisted"
    yield _event(rng, message, outcome, at + timedelta(seconds=rng.uniform(0.1, 1)))


def _event(rng: random.Random, message: Row, event_type: str, at: datetime, **extra: Any) -> Row:
    status_code, reply = REPLIES.get(event_type, (None, None))
    return {
        **message,
        "event_id": UUID(int=rng.getrandbits(128)),
        "event_type": event_type,
        "occurred_at": at,
        "status_code": status_code,
        "status_message": reply,
        "bounce_message": reply if event_type == "deferred" else None,
        "source": "api",
        "certainty": "reported",
        **extra,
    }


def _named(word: str, count: int) -> tuple[str, ...]:
    return tuple(f"{word}-{i + 1:04}.example" for i in range(count))


def _heavy_tail(first: int, count: int) -> tuple[float, ...]:
    """Accumulate shares: of the `first` each half of the one before, of the rest 1/rank of them."""
    head = [0.5**i for i in range(first)]
    tail = [0.25 / (i + 1) for i in range(count - first)]
    return tuple(accumulate(head + tail))


def _choose(rng: random.Random, names: Sequence[str], shares: Sequence[float]) -> str:
    return names[bisect(shares, rng.random() * shares[-1], hi=len(names) - 1)]


def is_within(hour_of_day: float, span: tuple[float, float]) -> bool:
    return span[0] <= hour_of_day < span[1]
