"""The `queue` of a zonemta sample: the mail queue of one database as one agent reads it.

Names are the published ones of the payload. From ZoneMTA's API (`source` "api") only the zones and
the two totals are known. Everything past the totals is optional, and null means unknown.
"""

from typing import Annotated, Literal

import msgspec

from server.metrics.measures import AwareTime, Gauge, Name, Text, Total, Untracked

#: Room for more brackets than today's, but not without end.
Counts = Annotated[list[Total], msgspec.Meta(max_length=32)]


class ZoneQueue(msgspec.Struct, frozen=True):
    """Recipients that wait in one zone: those due now and those due later."""

    zone: Name
    active_count: Total
    deferred_count: Total


class QueueAge(msgspec.Struct, frozen=True):
    """Recipients younger than `up_to_s` and in no bracket before; null: all that are older."""

    up_to_s: Total | None
    count: Total


class QueueShare(msgspec.Struct, frozen=True):
    """Recipients assigned to one instance of ZoneMTA; "no": to none yet."""

    instance: Name
    count: Total


class QueueReason(msgspec.Struct, frozen=True):
    """How many deferred recipients have this last reply."""

    response: Text
    count: Total


class QueueDestination(msgspec.Struct, frozen=True):
    """Recipients of one domain that wait, in each bracket of `ages`, and of `expiries`; some of the
    last replies."""

    domain: Name
    counts: Counts
    replies: Annotated[list[Text], msgspec.Meta(max_length=10)] = []
    expiries: Counts = []


class OtherDestinations(msgspec.Struct, frozen=True):
    """How many further domains there are, and their recipients in each bracket of `ages`, and of
    `expiries`."""

    domains_count: Total
    counts: Counts
    expiries: Counts = []


class MailQueue(msgspec.Struct, frozen=True):
    """One reading. `database` names the queue, alike on every node that shares it; `instance`:
    which of the `shares` is this node's. `reasons_of_count`, `destinations_of_count`: of how many
    recipients those are; fewer than wait where the queue is long. `expiries`: of the recipients of
    `destinations`, in how long ZoneMTA gives them up by its default schedule."""

    source: Literal["mongodb", "api"]
    zones: Annotated[list[ZoneQueue], msgspec.Meta(max_length=1000)]
    active_count: Gauge[Total]
    deferred_count: Gauge[Total]
    database: Name | None = None
    instance: Name | None = None
    locked_count: Gauge[Total | None] = None
    oldest_created_at: AwareTime | None = None
    ages: Annotated[list[QueueAge], msgspec.Meta(max_length=32)] | None = None
    shares: Annotated[list[QueueShare], msgspec.Meta(max_length=1000)] | None = None
    reasons: Annotated[list[QueueReason], msgspec.Meta(max_length=1000)] | None = None
    reasons_of_count: Untracked[Total | None] = None
    destinations: Annotated[list[QueueDestination], msgspec.Meta(max_length=1000)] | None = None
    other_destinations: OtherDestinations | None = None
    destinations_of_count: Untracked[Total | None] = None
    expiries: Annotated[list[QueueAge], msgspec.Meta(max_length=32)] | None = None
