"""Wire format of events, nodes and batches, and the rule of the event id.

The server declares its own; the golden payloads in tests/contract/ check both.
Published names are permanent: add, never rename.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid5

import msgspec

EVENT_NAMESPACE = UUID("f7972ba4-c67e-59f5-b609-efd69fe0e842")
ZONEMTA = "zonemta"
WILDDUCK = "wildduck"
OUTBOUND: Literal["outbound"] = "outbound"
NULL_SENDER = "<>"

EventType = Literal[
    "received", "sent", "delivered", "bounced", "deferred", "rejected", "greylisted", "dropped",
    "stored", "forwarded", "autoreplied", "duplicate", "refused", "login", "login_failed",
]  # fmt: skip
Direction = Literal["inbound", "outbound", "mailbox"]
Origin = Literal["smtp", "webmail", "api", "forward", "autoreply", "dsn"]
AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]

# No event of that recipient and message follows one of these.
FINAL_TYPES: frozenset[str] = frozenset({"delivered", "bounced", "rejected", "dropped"})


def event_id(program: str, queue_id: str, delivery: str, event_type: str, n: int = 0) -> UUID:
    """Return the id every source gives to the same event.

    `delivery`: ZoneMTA's sequence of the recipient, whose address alone tells nothing apart where a
    message names it twice; the address where there is no sequence, and in ids of the first version
    always. `n`: deferral count, else 0.
    """
    return uuid5(EVENT_NAMESPACE, f"{program}|{queue_id}|{delivery.lower()}|{event_type}|{n}")


class EmailEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of one message and recipient. None: not known, never a guess."""

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
    account: str | None = None
    account_name: str | None = None
    origin: Origin | None = None
    parent_id: str | None = None

    @property
    def own_id(self) -> UUID:
        """The id that its fields give it."""
        return self._build_id(self.queue_seq or self.to_address)

    @property
    def earlier_id(self) -> UUID:
        """The id that an agent or a plugin of the first version gives it."""
        return self._build_id(self.to_address)

    def _build_id(self, delivery: str) -> UUID:
        n = (self.attempt or 0) if self.event_type == "deferred" else 0
        return event_id(ZONEMTA, self.queue_id, delivery, self.event_type, n)


class ReceivedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a plugin's event that the agent needs; the rest passes through."""

    event_id: UUID
    occurred_at: AwareTime
    event_type: EventType
    direction: Direction
    queue_id: str | None = None
    queue_seq: str | None = None
    to_address: str | None = None
    mta_node: str | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node, the body of POST /api/v1/nodes."""

    node_id: str
    hostname: str
    addresses: list[str]
    role: str
    agent_version: str
    versions: dict[str, str]


class Refusal(msgspec.Struct, frozen=True):
    """One refused item: its place in the batch, the reason, and its code, which older servers do
    not send."""

    index: int
    error: str
    code: str | None = None


class IngestAnswer(msgspec.Struct, frozen=True):
    """The body of 202, and without `queued` of 422."""

    queued: int | None = None
    rejected: list[Refusal] = []


def events_body(
    epoch: str,
    first_seq: int,
    events: list[bytes],
    *,
    dropped: Sequence[tuple[int, int]] = (),
    clock_set_ms: int = 0,
) -> bytes:
    """Return the envelope around events that are JSON already; decoding them again would cost more
    than the rest of a send. `dropped`: ranges of numbers that will never come, first and last.
    `clock_set_ms`: how much this clock was set forward since they were captured."""
    head = b'{"epoch":"%s","first_seq":%d,' % (epoch.encode(), first_seq)
    if dropped:
        head += b'"dropped":%s,' % msgspec.json.encode(dropped)
    if clock_set_ms:
        head += b'"clock_set_ms":%d,' % clock_set_ms
    return head + b'"events":[' + b",".join(events) + b"]}"


def samples_body(samples: list[bytes]) -> bytes:
    """Return an array of samples that are JSON already."""
    return b"[" + b",".join(samples) + b"]"


class FailingSends(msgspec.Struct, frozen=True):
    """Requests to one endpoint of the server that failed in a row, as the running agent tells
    `doctor`: since when, and why the last one did, with its fix where one is known."""

    path: str
    count: int
    since_at: datetime
    reason: str
    fix: str = ""
    status: int | None = None
