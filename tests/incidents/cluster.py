"""Snapshots of a cluster of 15 nodes over weeks, with incidents that are known and noise. Pure.

Times are seconds since the history began. An incident begins between two rounds, as real ones do.
"""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import cos, pi

from server.alerts.blocks import effects
from server.alerts.blocks.models import Block
from server.alerts.forecast import forecast_disk
from server.alerts.snapshot import Blocked, MailMinute, Resources, Sample, Snapshot, WatchedNode
from server.mailqueues.accounting import Database, Reading, count_once
from server.metrics.mail_queue import (
    MailQueue,
    OtherDestinations,
    QueueDestination,
    QueueShare,
    ZoneQueue,
)
from server.metrics.newest import NodeState
from server.observability.backlog import NOTHING_WAITS

START = datetime(2026, 10, 1, tzinfo=UTC)
NODES = tuple(f"mta-{n:02}" for n in range(1, 16))
ROUND_S, MINUTE, HOUR, DAY = 15.0, 60.0, 3_600.0, 86_400.0
DISK_BYTES = 100e9
#: Hourly means of free bytes that a trend is of.
TREND_HOURS = 48
STALE_AFTER = timedelta(seconds=90)
#: Kind of incident → the critical rules by which it may be reported, how long after its begin the
#: first of them holds at its source, and the shortest and longest of it in minutes.
INCIDENTS = {
    "node": ({"node_silent_long"}, 120.0, (5, 120)),
    "block": ({"provider_blocking"}, 0.0, (120, 1_440)),
    "zone": ({"zone_silent"}, 900.0, (30, 90)),
    "queue": ({"queue_very_long"}, 0.0, (20, 120)),
    "disk": ({"disk_full_in_a_day", "disk_almost_full"}, None, (1_200, 1_600)),
    "primary": ({"mongodb_no_primary"}, 0.0, (3, 20)),
    "bounces": ({"bounce_share_very_high"}, None, (20, 60)),
    "program": ({"program_stopped"}, 0.0, (5, 60)),
}
#: Noise that must not be critical → how often in a day, and how long in seconds.
NOISE = {
    "flap": (6.0, (20, 100)),  # a node is silent, and back before two minutes
    "restart": (4.0, (5, 14)),  # a program is stopped for one sample
    "election": (0.5, (5, 25)),  # no primary until the next one is elected
    "spike": (1.0, (60, 200)),  # many bounces, of one newsletter
    "busy": (2.0, (60, 500)),  # a processor is busy
    "burst": (0.5, (300, 1_200)),  # a queue is long, and drains
    "maintenance": (0.3, (1_800, 10_800)),  # a node is away, as was said
    "blind": (0.2, (90, 600)),  # no worker runs a round
}


@dataclass
class Trouble:
    """Something that happens to a node or, where that is empty, to the cluster. `is_truth`: it
    must be reported, by one of the critical `rules`."""

    kind: str
    start: float
    end: float
    node: str = ""
    is_truth: bool = False
    notified_at: float | None = None
    keys: list[str] = field(default_factory=list)

    @property
    def rules(self) -> set[str]:
        return INCIDENTS[self.kind][0]


def generate_troubles(days: int, chance: random.Random) -> list[Trouble]:
    """Return incidents, each kind twice a week at least, and noise, in the order of their begin."""
    troubles = []
    for kind, (_, _, (shortest, longest)) in INCIDENTS.items():
        for week in range(max(1, round(days / 3.5))):
            # Days apart, so that the disks that fill have the trend of two days before them.
            start = 3.5 * DAY * week + chance.uniform(2.2 * DAY, 3.2 * DAY)
            length = chance.uniform(shortest, longest) * MINUTE
            if start + length < days * DAY:
                node = chance.choice(NODES) if kind in ("node", "queue", "disk", "program") else ""
                troubles.append(Trouble(kind, start, start + length, node, is_truth=True))
    for kind, (a_day, (shortest, longest)) in NOISE.items():
        for _ in range(round(days * a_day)):
            start = chance.uniform(HOUR, days * DAY)
            troubles.append(
                Trouble(kind, start, start + chance.uniform(shortest, longest),
                        chance.choice(NODES))
            )  # fmt: skip
    return sorted(troubles, key=lambda trouble: trouble.start)


class Cluster:
    """`rounds` yields the time of each round and what it reads then."""

    def __init__(self, troubles: Sequence[Trouble], chance: random.Random) -> None:
        self._troubles, self._chance = deque(troubles), chance
        self._open: list[Trouble] = []
        self._minutes: deque[MailMinute] = deque(maxlen=20)
        self._refused: deque[MailMinute] = deque(maxlen=20)
        self._blocked = (0.0, "", "")
        self._free = {name: chance.uniform(40e9, 70e9) for name in NODES}
        self._free_by_hour = {name: deque[tuple[datetime, float]]() for name in NODES}
        self._full_in: dict[str, timedelta] = {}
        self._resumed_at = START
        self._queues: list[Database] = []
        self._queues_of: tuple[float, list[Trouble]] = (0.0, [])

    def rounds(self, days: float) -> Iterator[tuple[float, Snapshot]]:
        last_s = 0.0
        for number in range(int(days * DAY / ROUND_S)):
            at_s = number * ROUND_S
            while self._troubles and self._troubles[0].start <= at_s:
                self._open.append(self._troubles.popleft())
            self._open = [each for each in self._open if each.end > at_s]
            if at_s % MINUTE == 0:
                self._minutes.append(self._send(at_s))
            if at_s % HOUR == 0:
                self._fill_disks(at_s)
            if self._is("blind"):
                continue
            if at_s - last_s > MINUTE:
                self._resumed_at = START + timedelta(seconds=at_s)
            last_s = at_s
            yield at_s, self._read(at_s)

    def _is(self, *kinds: str, node: str = "") -> Trouble | None:
        return next((t for t in self._open if t.kind in kinds and node in ("", t.node)), None)

    def _read(self, at_s: float) -> Snapshot:
        now = START + timedelta(seconds=at_s)
        trouble = self._is("block")
        block = _make_block(trouble) if trouble else None
        if block:
            self._blocked = (at_s + effects.LEADS_FOR.total_seconds(), block.name, block.provider)
        blocked_until_s, name, provider = self._blocked
        leads = at_s < blocked_until_s
        nodes = {name: self._watch(name, now) for name in NODES}
        states = [
            NodeState(name, "zonemta", 0, None, [], self._list_stopped(name), [])
            for name in NODES if not self._is("maintenance", node=name)
        ]  # fmt: skip
        return Snapshot(
            now,
            resumed_at=self._resumed_at,
            backlog=replace(NOTHING_WAITS, worker_at=now),
            nodes=nodes,
            states=states,
            resources={name: self._read_resources(name) for name in NODES},
            full_in=self._full_in,
            samples={"mongodb": {"mta-01": self._read_mongodb(now)}},
            queues=self._get_queues(at_s, now),
            minutes=list(self._minutes),
            zones={"bulk": self._find_last_outcome(at_s)},
            blocks=[block] if block else [],
            blocked={name: Blocked(provider, list(self._refused), frozenset(NODES[:1]))}
            if leads else {},
            details_until=now - timedelta(minutes=3),
            providers={"blocked.example": "google"},
        )  # fmt: skip

    def _watch(self, name: str, now: datetime) -> WatchedNode:
        away = self._is("node", "flap", "maintenance", node=name)
        contact_at = START + timedelta(seconds=away.start) if away else now
        in_maintenance = bool(self._is("maintenance", node=name))
        return WatchedNode(name, "zonemta", contact_at, in_maintenance, 0)

    def _list_stopped(self, name: str) -> dict[str, str]:
        return {"zonemta": "stopped"} if self._is("program", "restart", node=name) else {}

    def _read_resources(self, name: str) -> Resources:
        cpu = 96.0 if self._is("busy", node=name) else self._chance.uniform(5, 60)
        used = 100 * (1 - self._free[name] / DISK_BYTES)
        return Resources(cpu, 55.0, used)

    def _read_mongodb(self, now: datetime) -> Sample:
        first = "SECONDARY" if self._is("primary", "election") else "PRIMARY"
        members = [
            {"name": f"db-{n}:27017", "state": first if n == 1 else "SECONDARY", "is_healthy": True}
            for n in (1, 2, 3)
        ]
        values = {"replica_set": "rs0", "members": members, "oplog_window_s": 3 * DAY}
        return Sample(now, values)

    def _get_queues(self, at_s: float, now: datetime) -> list[Database]:
        """Return the readings of the last minute, until a queue changes."""
        key = (
            at_s // MINUTE,
            [each for each in self._open if each.kind in ("queue", "burst", "block")],
        )
        if key != self._queues_of:
            self._queues, self._queues_of = self._read_queues(now), key
        return self._queues

    def _read_queues(self, now: datetime) -> list[Database]:
        shares = [QueueShare(name, self._count_waiting(name)) for name in NODES]
        queue = MailQueue(
            source="mongodb", zones=[ZoneQueue("bulk", 50, 10)], deferred_count=0,
            active_count=sum(share.count for share in shares), database="rs0/zone-mta@db-1:27017",
            instance=NODES[0], shares=shares, destinations=[
                QueueDestination("blocked.example", [0, 0, 0, 0, 0, 0, self._count_blocked()])
            ],
            oldest_created_at=now - timedelta(hours=30 if self._is("block") else 0.3),
            other_destinations=OtherDestinations(900, [0, 0, 0, 4_000, 0, 0, 0]),
        )  # fmt: skip
        reading = Reading(NODES[0], now, queue, STALE_AFTER, (now, queue))
        others = [
            Reading(name, now, own, STALE_AFTER, (now, own))
            for name in NODES[1:]
            for own in [_instance(queue, name)]
        ]
        return count_once([reading, *others], now)

    def _count_waiting(self, name: str) -> int:
        if self._is("queue", node=name):
            return 25_000
        held = self._count_blocked() if name == NODES[0] else 0
        return held + (14_000 if self._is("burst", node=name) else self._chance.randrange(50, 400))

    def _count_blocked(self) -> int:
        return 22_000 if self._is("block") else 0

    def _find_last_outcome(self, at_s: float) -> datetime:
        stuck = self._is("zone")
        return START + timedelta(seconds=stuck.start if stuck else at_s - 30)

    def _send(self, at_s: float) -> MailMinute:
        """Return the outcomes of the minute before: few at night, some nights none delivered."""
        part = at_s % DAY / DAY
        rate = 700 * max(0.0, 0.5 - 0.5 * cos(2 * pi * (part - 0.1)))
        count = max(0, round(self._chance.gauss(rate, rate**0.5))) if rate > 1 else 0
        night = self._chance.random() < 0.3 and not count
        bad = self._is("bounces", "spike")
        # What a block leads to must not wake anybody beside it: its IP sends a third of the mail.
        refused = count // 3 if self._is("block") else 0
        at = START + timedelta(seconds=at_s - MINUTE)
        self._refused.append(MailMinute(at, bounced=refused))
        bounced = round(count * (0.4 if bad else self._chance.uniform(0, 0.03)))
        bounced = min(count, bounced + refused)
        return MailMinute(
            at,
            delivered=count - bounced,
            bounced=bounced,
            deferred=int(night) or count // 20,
            delivery_ms_sum=count * 2_000,
            delivery_count=count,
        )

    def _fill_disks(self, at_s: float) -> None:
        """Logs grow by day and are rotated at night; a disk that fills is emptied by somebody."""
        now = START + timedelta(seconds=at_s)
        is_night = at_s % DAY == 0
        for name in NODES:
            full = self._is("disk", node=name)
            grown = 0.35e9 + self._chance.uniform(-0.1e9, 0.1e9)
            self._free[name] -= 4e9 if full else grown
            if is_night and not full:
                self._free[name] = 55e9 + self._chance.uniform(-1e9, 1e9)
            self._free[name] = max(self._free[name], 0.5e9)
            means = self._free_by_hour[name]
            means.append((now, self._free[name]))
            if len(means) > TREND_HOURS:
                means.popleft()
            full_in = forecast_disk(means).full_in
            self._full_in = {k: v for k, v in self._full_in.items() if k != name}
            if full_in is not None:
                self._full_in[name] = full_in


def _make_block(trouble: Trouble) -> Block:
    started_at = START + timedelta(seconds=trouble.start)
    return Block(
        pk=1, kind="ip", provider="google", subject="192.0.2.1", started_at=started_at,
        refused_count=12, taken_count=0, reply="550 5.7.1 blocked",
    )  # fmt: skip


def _instance(queue: MailQueue, name: str) -> MailQueue:
    return MailQueue(
        source=queue.source, zones=queue.zones, deferred_count=0, active_count=queue.active_count,
        database=queue.database, instance=name, oldest_created_at=queue.oldest_created_at,
        shares=queue.shares, destinations=queue.destinations,
        other_destinations=queue.other_destinations,
    )  # fmt: skip
