"""Accounting of mail queues: from the newest readings of all agents, each queue once. Pure.

Ten nodes may share one database, and each of their agents reads the queue of all of them. So for
each database:
- each instance's share is taken from the agent whose instance it is;
- what is assigned to no instance yet is taken once, from the newest reading;
- an agent claims its instance while its readings come: one whose reading is stale, or whose node
  is retired, claims none. Silence in maintenance is expected, and a database that nobody reads any
  more is as it was read last. One that retired nodes alone read counts while mail waits in it;
- the share of an instance no agent claims is *stranded*: no living ZoneMTA sends it. Where some
  agent does not report which instance is its own, that is not known, and such shares are
  *unclaimed*. An agent alone with its database need not report it: all shares are its node's;
- all else (zones, ages, reasons, destinations) is taken from the newest reading.

A database that cannot be told from others by its name (`qualify`) is its node's own.

From ZoneMTA's API only totals are known, and not of which database. They count as the queue of a
database of their own, unless the same agent read a database lately: then it is that one, which its
agent cannot reach just now.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from server.metrics.mail_queue import MailQueue

#: ZoneMTA's word for mail assigned to no instance yet.
UNASSIGNED = "no"
LOOPBACK_HOSTS = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "::1", "[::1]"})


@dataclass(frozen=True)
class Reading:
    """One agent's newest reading. `detail`: its newest from the database itself, and when that was
    read; the same as the newest but for an agent whose database does not answer now."""

    node: str
    at: datetime
    queue: MailQueue
    stale_after: timedelta
    detail: "tuple[datetime, MailQueue] | None" = None
    is_retired: bool = False
    in_maintenance: bool = False

    @property
    def database(self) -> str | None:
        """Which database it is of; None where that was never known."""
        name = self.detail[1].database if self.detail else None
        return qualify(name, self.node) if name else None

    @property
    def instance(self) -> str | None:
        """Which instance is this node's."""
        return self.detail[1].instance if self.detail else None

    def is_stale(self, now: datetime) -> bool:
        """Return whether its source should have been read again long since."""
        return now - self.at > self.stale_after


@dataclass(frozen=True)
class Share:
    """Waiting mail of one database and instance. `count` is None where it is not known.

    `node`: whose it is, of stranded mail whose it was; None: nobody's. `reader`: whose agent read
    it `at`.
    """

    database: str | None
    node: str | None
    instance: str | None
    count: int | None
    reader: str
    at: datetime
    stale: bool


@dataclass(frozen=True)
class Database:
    """One mail queue, counted once.

    `reading`: the newest, with the totals. `detail`: the newest from the database itself, with when
    it was read; None where none is known. `stranded` is None where it is not known.
    """

    name: str | None
    nodes: tuple[str, ...]
    reading: Reading
    detail: tuple[datetime, MailQueue] | None
    shares: tuple[Share, ...]
    unassigned: Share | None
    stranded: tuple[Share, ...] | None
    unclaimed: tuple[Share, ...]

    @property
    def waiting(self) -> int:
        """How many recipients wait: the shares, what is assigned to none, and what is nobody's."""
        if self.unassigned is None:
            return self.reading.queue.active_count + self.reading.queue.deferred_count
        parts = (*self.shares, self.unassigned, *(self.stranded or ()), *self.unclaimed)
        return sum(part.count or 0 for part in parts)


def count_once(readings: Iterable[Reading], now: datetime) -> list[Database]:
    """Return each mail queue once, those of known databases first, by name."""
    groups: dict[tuple[int, str], list[Reading]] = defaultdict(list)
    for reading in readings:
        known = (0, reading.database) if reading.database else (1, reading.node)
        groups[known].append(reading)
    databases = [_database(group, now) for _, group in sorted(groups.items())]
    return [each for each in databases if each.waiting or not each.reading.is_retired]


def qualify(database: str, node: str) -> str:
    """Return the name of a database, with its node's in place of an address that means another
    machine on each: a standalone has none, a set that was made there may have a loopback one."""
    names, at, address = database.rpartition("@")
    host = (address.rpartition(":")[0] or address).lower()
    is_its_own = not host or host in LOOPBACK_HOSTS or host.startswith("127.")
    return f"{names}@{node}" if at and is_its_own else database


def _database(group: Sequence[Reading], now: datetime) -> Database:
    kept = [reading for reading in group if not reading.is_retired]
    newest = max(kept or group, key=lambda r: (not r.is_stale(now), _reads(r), r.at))
    claiming = [r for r in kept if r.in_maintenance or not r.is_stale(now)]
    if newest.is_stale(now):
        claiming = kept
    nodes = tuple(sorted(reading.node for reading in kept or group))
    details = (r.detail for r in kept or group if r.detail)
    detail = max(details, key=lambda each: each[0], default=None)
    database = partial(Database, newest.database, nodes, newest, detail)
    if not _reads(newest) or newest.queue.shares is None:
        # Totals only, of which nobody knows whose they are; an agent alone has them all.
        total = newest.queue.active_count + newest.queue.deferred_count
        own = [
            _share(r, total if len(group) == 1 else None, of=newest, now=now, instance=r.instance)
            for r in claiming
        ]
        return database(tuple(own), unassigned=None, stranded=None, unclaimed=())
    counts = _shares_by_instance(newest)
    unassigned = _share(None, counts.pop(UNASSIGNED, 0), of=newest, now=now, instance=UNASSIGNED)
    if len(group) == 1 and claiming and newest.instance is None:
        alone = _share(newest, sum(counts.values()), of=newest, now=now, instance=None)
        return database((alone,), unassigned, stranded=(), unclaimed=())
    shares = _shares_of_nodes(claiming, newest, now)
    claimed = {reading.instance for reading in claiming}
    was_of = {reading.instance: reading for reading in group}
    unclaimed = tuple(
        _share(was_of.get(instance), count, of=newest, now=now, instance=instance)
        for instance, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if instance not in claimed
    )
    if None in claimed:
        return database(shares, unassigned, stranded=None, unclaimed=unclaimed)
    return database(shares, unassigned, stranded=unclaimed, unclaimed=())


def _shares_of_nodes(
    claiming: Sequence[Reading], newest: Reading, now: datetime
) -> tuple[Share, ...]:
    """Return the share of each node; of several that call one instance theirs the first has it."""
    shares = []
    counted: set[str | None] = {None}
    for reading in sorted(claiming, key=lambda one: one.node):
        instance = reading.instance
        reads_own = instance is not None and _reads(reading) and not reading.is_stale(now)
        read_by = reading if reads_own else newest
        count = None if instance in counted else _shares_by_instance(read_by).get(instance or "", 0)
        counted.add(instance)
        shares.append(_share(reading, count, of=read_by, now=now, instance=instance))
    return tuple(shares)


def _reads(reading: Reading) -> bool:
    """Return whether its newest reading is from the database itself."""
    return reading.queue.source == "mongodb"


def _shares_by_instance(reading: Reading) -> dict[str, int]:
    return {share.instance: share.count for share in reading.queue.shares or ()}


def _share(
    of_node: Reading | None, count: int | None, *, of: Reading, now: datetime, instance: str | None
) -> Share:
    return Share(
        database=of.database,
        node=of_node.node if of_node else None,
        instance=instance,
        count=count,
        reader=of.node,
        at=of.at,
        stale=of.is_stale(now),
    )
