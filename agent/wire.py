"""The agent's half of the contract: what goes over the wire, and the rule of the event id.

The server has its own declaration; both are held to the golden payloads in tests/contract/.
Published names are permanent: add, never rename.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid5

import msgspec

EVENT_NAMESPACE = UUID("f7972ba4-c67e-59f5-b609-efd69fe0e842")
ZONEMTA = "zonemta"
OUTBOUND: Literal["outbound"] = "outbound"
NULL_SENDER = "<>"

EventType = Literal[
    "received", "sent", "delivered", "bounced", "deferred", "rejected", "greylisted", "dropped"
]
Direction = Literal["inbound", "outbound"]
AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]

# After one of these nothing more happens to that recipient of that message.
FINAL_TYPES: frozenset[str] = frozenset({"delivered", "bounced", "rejected", "dropped"})


def event_id(program: str, queue_id: str, recipient: str, event_type: str, n: int = 0) -> UUID:
    """Return the id every source gives to the same event. `n`: deferral count, else 0."""
    return uuid5(EVENT_NAMESPACE, f"{program}|{queue_id}|{recipient.lower()}|{event_type}|{n}")


class EmailEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to one message and recipient. None: not known, never a guess."""

    event_id: UUID
    occurred_at: AwareTime
    event_type: EventType
    direction: Direction
    mta_node: str
    queue_id: str
    to_address: str
    source: Literal["change_stream"]
    certainty: Literal["reported", "inferred"]
    queue_seq: str | None = None
    message_id: str | None = None
    from_address: str | None = None
    client_ip: str | None = None
    status_code: int | None = None
    status_message: str | None = None
    queue_time_ms: int | None = None
    attempt: int | None = None
    bounce_type: Literal["hard", "soft"] | None = None
    bounce_message: str | None = None
    message_size_bytes: int | None = None
    zone: str | None = None
    auth_user: str | None = None


class ReceivedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent itself must know of an event a plugin reports; the rest passes through."""

    event_id: UUID
    occurred_at: AwareTime
    event_type: EventType
    direction: Direction
    queue_id: str | None = None
    to_address: str | None = None
    mta_node: str | None = None


class Core(msgspec.Struct, frozen=True):
    """One processor core."""

    core: int
    percent: float


class SystemReadings(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of the machine. `*_sec` are rates since the sample before, None in the first;
    the error counts are the kernel's, since it started."""

    cpu_percent: float
    cpu_cores: list[Core]
    ram_used_percent: float
    ram_used_bytes: int
    ram_total_bytes: int
    disk_used_percent: float
    disk_free_bytes: int
    disk_read_bytes_sec: float | None
    disk_write_bytes_sec: float | None
    net_rx_bytes_sec: float | None
    net_tx_bytes_sec: float | None
    net_rx_errors: int
    net_tx_errors: int
    load_avg: tuple[float, float, float]
    tcp_established: int
    tcp_time_wait: int
    open_files: int
    uptime_seconds: int


class ProcessReadings(msgspec.Struct, frozen=True, kw_only=True):
    """One program with all its processes. `pid`: the first of them, which started the others, and
    `started_at` when it began; `memory_mb`: resident, in megabytes, what they share counted in
    each; `cpu_percent`: of one core since the sample before, None when it was in none. `stopped`:
    seen before, or held by a signal."""

    status: Literal["running", "stopped", "not_found"]
    pid: int | None = None
    memory_mb: float = 0.0
    cpu_percent: float | None = 0.0
    processes_count: int = 0
    started_at: AwareTime | None = None


class SystemSample(msgspec.Struct, frozen=True, kw_only=True):
    """One system sample, as POST /api/v1/metrics/system takes it. `services`: whether a port takes
    connections, by "port_25" and the like."""

    node_id: str
    timestamp: AwareTime
    system: SystemReadings
    processes: dict[str, ProcessReadings]
    services: dict[str, bool]


class ZoneDeliveries(msgspec.Struct, frozen=True):
    """Attempts of one zone that ended in one way, since ZoneMTA started, notifications included.
    `zone` is empty where the version counts without zones."""

    zone: str
    status: str
    count: int


class ZoneMtaReadings(msgspec.Struct, frozen=True, kw_only=True):
    """ZoneMTA's own counters since `started_at_s` (seconds since 1970): another start, other
    counters. `deferred` counts attempts, `messages_taken_count` only what came by SMTP."""

    started_at_s: int | None
    deliveries: list[ZoneDeliveries]
    messages_taken_count: int
    messages_failed_count: int
    bounces_made_count: int
    dropped_count: int
    blacklisted_count: int
    connections_reused_count: int


class ZoneQueue(msgspec.Struct, frozen=True):
    """Recipients that wait in one zone: those due now and those due later."""

    zone: str
    active_count: int
    deferred_count: int


class QueueAge(msgspec.Struct, frozen=True):
    """Recipients queued less than `up_to_s` ago, and not in the bracket before; None: the rest."""

    up_to_s: int | None
    count: int


class QueueShare(msgspec.Struct, frozen=True):
    """Recipients assigned to one instance of ZoneMTA; "no": to none yet."""

    instance: str
    count: int


class QueueReason(msgspec.Struct, frozen=True):
    """How many deferred recipients have this last reply."""

    response: str
    count: int


class QueueDestination(msgspec.Struct, frozen=True):
    """Recipients of one domain that wait, in each bracket of `ages`; some of the last replies."""

    domain: str
    counts: list[int]
    replies: list[str]


class OtherDestinations(msgspec.Struct, frozen=True):
    """How many further domains there are, and their recipients in each bracket of `ages`."""

    domains_count: int
    counts: list[int]


class MailQueue(msgspec.Struct, frozen=True, kw_only=True):
    """The mail queue. From ZoneMTA's API (`source` "api") only the zones are known, the rest is
    None. `database` names the database, the same for every node that shares it: the queue is that
    of all of them. `instance`: which share is this node's, where it is configured.
    `reasons_of_count`: of how many deferred recipients the reasons are, `destinations_of_count`: of
    how many recipients the destinations; fewer than wait where the queue is very long."""

    source: Literal["mongodb", "api"]
    zones: list[ZoneQueue]
    active_count: int
    deferred_count: int
    database: str | None = None
    instance: str | None = None
    locked_count: int | None = None
    oldest_created_at: AwareTime | None = None
    ages: list[QueueAge] | None = None
    shares: list[QueueShare] | None = None
    reasons: list[QueueReason] | None = None
    reasons_of_count: int | None = None
    destinations: list[QueueDestination] | None = None
    other_destinations: OtherDestinations | None = None
    destinations_of_count: int | None = None


class ZoneMtaSample(msgspec.Struct, frozen=True, kw_only=True):
    """One sample, as POST /api/v1/metrics/zonemta takes it. Either half may be missing."""

    node_id: str
    timestamp: AwareTime
    zonemta: ZoneMtaReadings | None
    queue: MailQueue | None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node introducing itself, as POST /api/v1/nodes takes it."""

    node_id: str
    hostname: str
    addresses: list[str]
    role: str
    agent_version: str
    versions: dict[str, str]


class Refusal(msgspec.Struct, frozen=True):
    """One item the server refused: its place in the batch and why."""

    index: int
    error: str


class IngestAnswer(msgspec.Struct, frozen=True):
    """The body of 202."""

    queued: int
    rejected: list[Refusal] = []


def events_body(
    epoch: str, first_seq: int, events: list[bytes], *, dropped: Sequence[tuple[int, int]] = ()
) -> bytes:
    """Return the envelope around events that are JSON already; decoding them again would cost
    more than all the rest of a send. `dropped`: first and last of numbers that will never come."""
    head = b'{"epoch":"%s","first_seq":%d,' % (epoch.encode(), first_seq)
    if dropped:
        head += b'"dropped":%s,' % msgspec.json.encode(dropped)
    return head + b'"events":[' + b",".join(events) + b"]}"


def samples_body(samples: list[bytes]) -> bytes:
    """Return an array of samples that are JSON already."""
    return b"[" + b",".join(samples) + b"]"
