"""The server's half of the contract for events: what one JSON object may hold.

Unknown keys are ignored (agents and servers are upgraded on different days). Text longer than its
limit is cut by mapping.py, not refused here; a wrong type, enum or range refuses the one event.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
ReplyCode = Annotated[int, msgspec.Meta(ge=200, le=599)]
EventType = Literal[
    "received", "sent", "delivered", "bounced", "deferred", "rejected", "greylisted", "dropped"
]
Direction = Literal["inbound", "outbound"]
AuthResult = Literal[
    "pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"
]
Source = Literal["zonemta_plugin", "haraka_plugin", "change_stream", "api"]
Certainty = Literal["reported", "inferred"]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as it arrives. DESIGN's table of fields says what each means.

    Not tracked by the garbage collector: nothing in it can refer back to it.
    """

    event_id: UUID
    event_type: EventType
    direction: Direction
    occurred_at: AwareTime | None = None
    timestamp: AwareTime | None = None  # accepted aliases of occurred_at
    time: AwareTime | None = None
    mta_node: str | None = None
    message_id: str | None = None
    queue_id: str | None = None
    queue_seq: str | None = None
    from_address: str | None = None
    from_user: str | None = None
    from_domain: str | None = None
    to_address: str | None = None
    to_domain: str | None = None
    sending_ip: str | None = None
    sending_ip_v6: str | None = None
    client_ip: str | None = None
    mx_host: str | None = None
    status_code: ReplyCode | None = None
    status_message: str | None = None
    delivery_time_ms: Count | None = None
    queue_time_ms: Bytes | None = None
    total_time_ms: Bytes | None = None
    attempt: Count | None = None
    bounce_type: Literal["hard", "soft"] | None = None
    bounce_category: str | None = None
    bounce_message: str | None = None
    message_size_bytes: Bytes | None = None
    has_attachment: bool | None = None
    attachment_count: Count | None = None
    subject_hash: str | None = None
    dkim_result: AuthResult | None = None
    spf_result: AuthResult | None = None
    dmarc_result: AuthResult | None = None
    spam_score: float | None = None
    spam_action: str | None = None
    spam_symbols: list[str] | None = None
    tls: str | None = None
    zone: str | None = None
    auth_user: str | None = None
    source: Source = "api"
    certainty: Certainty = "reported"
    replaces: UUID | None = None
