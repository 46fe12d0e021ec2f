"""Snapshot of a round: all that conditions read, gathered once. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal

from server.alerts.backlog import is_behind, unstored
from server.alerts.blocks.models import Block
from server.ledger.queries import Completeness
from server.mailqueues.accounting import Database
from server.metrics.newest import NodeState
from server.observability.backlog import NOTHING_WAITS, Backlog
from server.rollups.mail.failing_destinations import Destination

#: Sources of readings: the nodes' contacts, samples of one kind, the stored mail, the ledger, and
#: this server itself.
Source = Literal[
    "contact", "system", "agent", "mongodb", "redis", "queue", "mail", "ledger", "server"
]
SAMPLED: tuple[Source, ...] = ("agent", "mongodb", "redis")


@dataclass(frozen=True)
class WatchedNode:
    """A node that is not retired. `contact_at`: its last sign of life, None: none ever came."""

    name: str
    role: str = ""
    contact_at: datetime | None = None
    in_maintenance: bool = False
    clock_ahead_ms: int | None = None


@dataclass(frozen=True)
class Resources:
    """What the samples of the last two minutes say of a node: means, and the newest file systems.

    None is unknown.
    """

    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    file_systems: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Sample:
    """The newest sample of one kind of a node. `is_fresh`: the next one is not overdue."""

    at: datetime
    values: Mapping[str, Any]
    is_fresh: bool = True


@dataclass(frozen=True)
class MailMinute:
    """Outbound outcomes of one minute, and the delivery times of those delivered."""

    at: datetime
    delivered: int = 0
    bounced: int = 0
    deferred: int = 0
    delivery_ms_sum: int = 0
    delivery_count: int = 0


def add_minutes(at: datetime, minutes: Iterable[MailMinute]) -> MailMinute:
    """Return the sum of some minutes, as of `at`."""
    every = list(minutes)
    return MailMinute(
        at,
        delivered=sum(minute.delivered for minute in every),
        bounced=sum(minute.bounced for minute in every),
        deferred=sum(minute.deferred for minute in every),
        delivery_ms_sum=sum(minute.delivery_ms_sum for minute in every),
        delivery_count=sum(minute.delivery_count for minute in every),
    )


@dataclass(frozen=True)
class Blocked:
    """The mail that an open block is of: one IP's or everybody's to a provider.

    `minutes`: its outcomes; `nodes`: whose mail was refused lately.
    """

    provider: str
    minutes: Sequence[MailMinute] = ()
    nodes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class AccountActivity:
    """What an account did: messages of the last hour and of its usual hour, bounces and outcomes of
    half an hour, destination domains and client addresses, and failures before its last login."""

    account: str
    sent: int = 0
    usual: float = 0.0
    bounced: int = 0
    outcomes: int = 0
    domains: int = 0
    clients: int = 0
    failures: int = 0


@dataclass(frozen=True)
class LoginFailures:
    """Failed logins of an address: in five minutes, and to how many accounts in an hour."""

    client: str
    failures: int
    accounts: int


@dataclass(frozen=True)
class Snapshot:
    """Readings of one moment. `resumed_at`: since when this server has watched without a gap.

    `full_in`: node → how long until its root disk is full, where it is filling. `zones`: zone → its
    last outcome of a day. `blocked`: name of an open block → its mail, whose minutes are counted
    up to `details_until`; `providers`: domain → provider, of what waits while a block is open.
    """

    now: datetime
    resumed_at: datetime | None = None
    backlog: Backlog = NOTHING_WAITS
    nodes: Mapping[str, WatchedNode] = field(default_factory=dict)
    states: Sequence[NodeState] = ()
    resources: Mapping[str, Resources] = field(default_factory=dict)
    full_in: Mapping[str, timedelta] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, Sample]] = field(default_factory=dict)
    queues: Sequence[Database] = ()
    destinations: Sequence[Destination] = ()
    epochs: Sequence[Completeness] = ()
    minutes: Sequence[MailMinute] = ()
    zones: Mapping[str, datetime] = field(default_factory=dict)
    blocks: Sequence[Block] = ()
    blocked: Mapping[str, Blocked] = field(default_factory=dict)
    details_until: datetime | None = None
    providers: Mapping[str, str] = field(default_factory=dict)
    dead_letters: int = 0
    accounts: Sequence[AccountActivity] = ()
    login_failures: Sequence[LoginFailures] = ()

    @property
    def is_behind(self) -> bool:
        """Whether the tables lack what was accepted, so that nothing in them is of now."""
        return is_behind(self.backlog, self.now)

    @property
    def watched(self) -> list[WatchedNode]:
        """The nodes that are judged: of those in maintenance anything is expected."""
        return [node for node in self.nodes.values() if not node.in_maintenance]

    def silent_s(self, node: WatchedNode) -> float | None:
        """Return for how long a node is silent; None where that is not known.

        What this server did not watch, or has not stored yet, is not the node's silence.
        """
        if node.contact_at is None or not self.backlog.is_known:
            return None
        since = max(filter(None, (node.contact_at, self.resumed_at)))
        silence = self.now - since - unstored(self.backlog, self.now)
        return max(0.0, silence.total_seconds())

    @cached_property
    def fresh_resources(self) -> dict[str, Resources]:
        """The resources of the nodes that report."""
        names = {state.name for state in self.states}
        return {name: each for name, each in self.resources.items() if name in names}

    def fresh_samples(self, kind: Source) -> dict[str, Sample]:
        """Return the newest samples of a kind of the watched nodes, those that are of now."""
        return self._fresh_samples.get(kind, {})

    @cached_property
    def _fresh_samples(self) -> dict[str, dict[str, Sample]]:
        names = {node.name for node in self.watched}
        return {
            kind: {n: sample for n, sample in samples.items() if n in names and sample.is_fresh}
            for kind, samples in self.samples.items()
        }

    def is_known(self, source: Source, node: str) -> bool:
        """Return whether a source is read in time: of a node, or of all where `node` is empty."""
        if source == "server":
            return True
        if source == "contact":
            return self.backlog.is_known
        if source in ("mail", "ledger"):
            return not self.is_behind
        if source == "queue":
            fresh = [q for q in self.queues if not q.reading.is_stale(self.now)]
            return any(node in queue.nodes for queue in fresh) if node else bool(fresh)
        if source == "system":
            return node in self.fresh_resources
        fresh_samples = self.fresh_samples(source)
        return node in fresh_samples if node else bool(fresh_samples)
