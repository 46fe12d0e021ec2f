"""Wire format of events: what one JSON object may hold, and the column that each field becomes.

Unknown keys are ignored (agents and servers are upgraded on different days). Text longer than its
limit is cut by mapping.py, not refused here; a wrong type, enum or range refuses the one event.
"""

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from server.events.vocabulary import (
    AuthResult,
    BounceType,
    Certainty,
    Direction,
    EventType,
    Origin,
    Source,
)


class Stored(NamedTuple):
    """How a field is stored: its meaning, PostgreSQL's type, and the longest text."""

    meaning: str
    type: str = "text"
    max_chars: int = 0


AwareTime = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
#: Sums of sizes stay within 64 bits for as many messages as ever are in one bucket.
Size = Annotated[int, msgspec.Meta(ge=0, le=2**32)]
ReplyCode = Annotated[int, msgspec.Meta(ge=200, le=599)]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as it arrives; docs/events.md is its table of fields.

    The columns are in this order. Append only: batches accepted by the version before wait in the
    inbox in it. Not tracked by the garbage collector: nothing in it can refer back to it.
    """

    occurred_at: Annotated[
        AwareTime | None,
        Stored(
            "When it happened on the node. Required, here or as an alias.", "timestamptz NOT NULL"
        ),
    ] = None
    event_id: Annotated[
        UUID, Stored("The same for one event, however often it is sent.", "uuid NOT NULL")
    ]
    event_type: Annotated[EventType, Stored("What happened.", "text NOT NULL")]
    direction: Annotated[
        Direction,
        Stored(
            "Whether the mail comes in or goes out; `mailbox`: what happened at a user's mailbox.",
            "text NOT NULL",
        ),
    ]
    mta_node: Annotated[
        str | None,
        Stored("The node where it happened. Default: the node of the key.", "text NOT NULL", 64),
    ] = None
    message_id: Annotated[
        str | None, Stored("The Message-ID of the message (RFC 5322).", max_chars=255)
    ] = None
    queue_id: Annotated[
        str | None,
        Stored("ZoneMTA's id of the message, or Haraka's of the transaction.", max_chars=64),
    ] = None
    queue_seq: Annotated[
        str | None, Stored("ZoneMTA's sequence of the recipient in the message.", max_chars=8)
    ] = None
    from_address: Annotated[
        str | None, Stored("Envelope sender; `<>` for the empty one.", max_chars=254)
    ] = None
    from_user: Annotated[
        str | None, Stored("User of the sender. Default: from `from_address`.", max_chars=254)
    ] = None
    from_domain: Annotated[
        str | None,
        Stored(
            "Domain of the sender, in A-labels: of `from_address`, if it has one.", max_chars=254
        ),
    ] = None
    to_address: Annotated[str | None, Stored("Envelope recipient.", max_chars=254)] = None
    to_domain: Annotated[
        str | None,
        Stored(
            "Domain of the recipient, in A-labels: of `to_address`, if it has one.", max_chars=254
        ),
    ] = None
    sending_ip: Annotated[str | None, Stored("Local address that sent.", "inet")] = None
    sending_ip_v6: Annotated[str | None, Stored("Local IPv6 address that sent.", "inet")] = None
    client_ip: Annotated[
        str | None, Stored("Address of the peer that handed the message in.", "inet")
    ] = None
    mx_host: Annotated[str | None, Stored("The remote server that answered.", max_chars=255)] = None
    status_code: Annotated[
        ReplyCode | None, Stored("SMTP code of the remote server's reply.", "smallint")
    ] = None
    status_message: Annotated[str | None, Stored("The remote server's reply.", max_chars=500)] = (
        None
    )
    delivery_time_ms: Annotated[
        Count | None, Stored("From the start of the connection to the final reply.", "integer")
    ] = None
    queue_time_ms: Annotated[
        Bytes | None, Stored("From the creation of the message to this attempt.", "bigint")
    ] = None
    total_time_ms: Annotated[Bytes | None, Stored("Both of these times.", "bigint")] = None
    attempt: Annotated[
        Count | None, Stored("Number of the delivery attempt of this recipient.", "integer")
    ] = None
    bounce_type: Annotated[BounceType | None, Stored("Kind of bounce.")] = None
    bounce_category: Annotated[
        str | None,
        Stored(
            "ZoneMTA's category of a bounce; of refused inbound mail, who refused.", max_chars=64
        ),
    ] = None
    bounce_message: Annotated[
        str | None, Stored("The reply that made it bounce or refused it.", max_chars=500)
    ] = None
    message_size_bytes: Annotated[Size | None, Stored("Size of the message.", "bigint")] = None
    has_attachment: Annotated[
        bool | None, Stored("Whether the message has attachments.", "boolean")
    ] = None
    attachment_count: Annotated[Count | None, Stored("Number of attachments.", "integer")] = None
    subject_hash: Annotated[
        str | None, Stored("Hash of the subject; the subject itself is never sent.", max_chars=64)
    ] = None
    dkim_result: Annotated[AuthResult | None, Stored("Result of DKIM.")] = None
    spf_result: Annotated[AuthResult | None, Stored("Result of SPF.")] = None
    dmarc_result: Annotated[AuthResult | None, Stored("Result of DMARC.")] = None
    spam_score: Annotated[float | None, Stored("Rspamd's score.", "double precision")] = None
    spam_action: Annotated[str | None, Stored("Rspamd's action.", max_chars=64)] = None
    spam_symbols: Annotated[list[str] | None, Stored("Rspamd's symbols.", "text[]")] = None
    tls: Annotated[str | None, Stored("Version of TLS; null without.", max_chars=32)] = None
    zone: Annotated[str | None, Stored("ZoneMTA's sending zone.", max_chars=64)] = None
    auth_user: Annotated[str | None, Stored("The user that submitted it.", max_chars=254)] = None
    source: Annotated[Source, Stored("The program that captured it.", "text NOT NULL")] = "api"
    certainty: Annotated[
        Certainty,
        Stored("Reported by the mail program, or inferred from its queue.", "text NOT NULL"),
    ] = "reported"
    replaces: Annotated[
        UUID | None,
        Stored("`event_id` of the inferred outcome that this reported one replaces.", "uuid"),
    ] = None
    node_occurred_at: Annotated[
        AwareTime | None,
        Stored(
            "`occurred_at` by the node's own clock, where that was wrong and is corrected. Set by"
            " the server.",
            "timestamptz",
        ),
    ] = None
    provider: Annotated[
        str | None,
        Stored(
            "Who operates the server that answered, or was to: by `mx_host`, else the domain that"
            " `to_domain` is registered under. Of outcomes of outbound mail. Set by the server.",
            max_chars=255,
        ),
    ] = None
    bounce_class: Annotated[
        str | None,
        Stored(
            "[Class](replies.md) of the reply that bounced, deferred or rejected outbound mail."
            " Set by the server.",
            max_chars=16,
        ),
    ] = None
    reply_fingerprint: Annotated[
        str | None,
        Stored(
            "The same for replies that differ in ids, addresses and the like alone, 16 hexadecimal"
            " digits. Of the events with a `bounce_class`. Set by the server.",
            max_chars=16,
        ),
    ] = None
    account: Annotated[
        str | None,
        Stored(
            "Whose mail it is: WildDuck's id of the user; where that is not known, the user name."
            " Default: `auth_user` without its `[…]`.",
            max_chars=254,
        ),
    ] = None
    account_name: Annotated[
        str | None, Stored("Name or main address of the user.", max_chars=254)
    ] = None
    origin: Annotated[
        Origin | None, Stored("How outbound mail came into the queue; `dsn`: a bounce notice.")
    ] = None
    parent_id: Annotated[
        str | None,
        Stored(
            "What caused this mail: WildDuck's id of the message, or what haraka-plugin-wildduck"
            " calls the transaction, whose own events have it as well.",
            max_chars=64,
        ),
    ] = None
    wildduck_id: Annotated[
        str | None, Stored("WildDuck's id of the stored message.", max_chars=24)
    ] = None
    mailbox: Annotated[str | None, Stored("Path of the mailbox.", max_chars=255)] = None
    filter_outcome: Annotated[
        str | None,
        Stored(
            "What WildDuck's filters decided: `spam`, ids of filters; or why it refused:"
            " `MBOX_FULL` …",
            max_chars=255,
        ),
    ] = None
    caused_queue_id: Annotated[
        str | None,
        Stored("ZoneMTA's id of the mail that this caused: a forward, an autoreply.", max_chars=64),
    ] = None
    protocol: Annotated[
        str | None, Stored("Of a login: `imap`, `pop3`, `smtp`, `api` …", max_chars=16)
    ] = None
    scope: Annotated[
        str | None,
        Stored("What a login's password is for: `master`, `imap` …", max_chars=16),
    ] = None
    #: Aliases of occurred_at; no columns.
    timestamp: AwareTime | None = None
    time: AwareTime | None = None
