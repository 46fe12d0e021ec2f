"""Records of the mail programs, and the events that they become. Pure.

`Record` is the list of the fields that are kept: all others, the subject first, are never decoded.
Only records are decoded that tell what became of a message, or of a login that authlog has not.
"""

import json
import math
import re
from typing import Any, Literal

import msgspec

from agent import clock
from agent.events.mailbox_event import (
    MAX_ADDRESS,
    MAX_MESSAGE_ID,
    MailboxEvent,
    MailboxType,
    build,
    ip,
    sender,
)
from agent.parsers.values import number, text

# What makes a record worth decoding. The commands of IMAP are the most by far.
_WANTED = re.compile(
    rb'"_mail_action":"(?:rcpt_to|process|forward|autoreply)"'
    rb'|"_auth_result":"(?:unknown|ratelimited|error|fail)"'
)
DUPLICATE = "Message dropped as duplicate"
MX = "mx"  # _interface of what Haraka's plugin sends
MAX_PATH = 255
# Flags of rcpt_to that refuse a recipient.
REFUSALS = {
    "unknown_user": "unknown_user",
    "disabled_user": "disabled_user",
    "disabled_forwarded": "disabled_forwarded",
    "over_quota": "over_quota",
    "rate_limit": "rate_limit",
    "failure": "failure",
}
# Results of logins that WildDuck's authlog has no row of; others are the change stream's.
WITHOUT_ROW = frozenset({"unknown", "ratelimited", "error"})
# A record's own time is believed as far as this from now.
MAX_SKEW_MS = 86_400_000

Kept = Any


class Record(msgspec.Struct, frozen=True, rename=lambda name: f"_{name}"):
    """The fields of a record that are kept, whatever their type."""

    timestamp: Kept = msgspec.field(default=None, name="timestamp")
    interface: Kept = None
    mail_action: Kept = None
    queue_id: Kept = None
    message_id: Kept = None
    from_: Kept = msgspec.field(default=None, name="_from")
    sender: Kept = None
    to: Kept = None
    recipient: Kept = None
    address: Kept = None
    ip: Kept = None
    user: Kept = None
    username: Kept = None
    scope: Kept = None
    sess: Kept = None
    auth_result: Kept = None
    spam_score: Kept = None
    spam_action: Kept = None
    store_result: Kept = None
    stored_id: Kept = None
    stored_path: Kept = None
    dropped: Kept = None
    no_store: Kept = None
    filters_matching: Kept = None
    err_code: Kept = None
    target_queue_id: Kept = None
    failure: Kept = None
    unknown_user: Kept = None
    disabled_user: Kept = None
    disabled_forwarded: Kept = None
    over_quota: Kept = None
    rate_limit: Kept = None


_decode = msgspec.json.Decoder(Record).decode


def read_record(body: bytes) -> Record | None:
    """Return a record, None for one that is not wanted. Raises ValueError."""
    if not _WANTED.search(body):
        return None
    try:
        return _decode(body)
    except msgspec.DecodeError:
        # Half a character, as Node.js cuts texts, must not cost the record.
        return msgspec.convert(json.loads(body), Record)


def to_event(
    record: Record, *, node: str, source: Literal["gelf"] = "gelf", now_ms: int | None = None
) -> MailboxEvent | None:
    """Return the event of a record; None for one that tells of none."""
    now_ms = clock.now_ms() if now_ms is None else now_ms
    at_ms = _at_ms(record.timestamp, now_ms)
    if record.auth_result is not None:
        return _failed_login(record, node=node, source=source, at_ms=at_ms)
    event_type, fields = _outcome(record)
    if event_type is None:
        return None
    queue_id = text(record.queue_id)
    to_address = _address(record.to) or _address(record.recipient) or _address(record.address)
    caused = text(record.target_queue_id)
    return build(
        event_type,
        node=node,
        source=source,
        at=clock.from_ms(at_ms),
        key=(queue_id or caused or "", to_address or ""),
        queue_id=queue_id,
        message_id=text(record.message_id, limit=MAX_MESSAGE_ID),
        from_address=sender(record.from_ if record.from_ is not None else record.sender),
        to_address=to_address,
        client_ip=ip(record.ip),
        spam_score=number(record.spam_score),
        spam_action=text(record.spam_action),
        account=text(record.user),
        caused_queue_id=caused,
        **fields,
    )


def _outcome(record: Record) -> tuple[MailboxType | None, dict[str, Any]]:
    """Return the type of a record's event, and the fields of that type."""
    action = record.mail_action
    if action == "process":
        return _processed(record)
    if action == "forward" and record.target_queue_id:
        # Haraka's plugin sends a second one, with the transaction in it.
        is_twin = record.interface == MX and record.queue_id is None
        return (None if is_twin else "forwarded"), {}
    if action == "autoreply" and record.queue_id and not record.failure:
        return "autoreplied", {}
    if action == "rcpt_to" and record.interface == MX:
        reason = next((why for flag, why in REFUSALS.items() if getattr(record, flag)), None)
        return ("refused" if reason else None), {"bounce_category": reason}
    return None, {}


def _processed(record: Record) -> tuple[MailboxType | None, dict[str, Any]]:
    """Return what became of a message for one recipient; None for what is stored, which is the
    change stream's."""
    if record.dropped:
        return "dropped", {"filter_outcome": text(record.filters_matching, limit=MAX_PATH)}
    if record.no_store:
        return "refused", {"bounce_category": text(record.err_code) or "failure"}
    if str(record.store_result).startswith(DUPLICATE):
        stored_path = text(record.stored_path, limit=MAX_PATH)
        return "duplicate", {"wildduck_id": text(record.stored_id), "mailbox": stored_path}
    return None, {}


def _failed_login(
    record: Record, *, node: str, source: Literal["gelf"], at_ms: int
) -> MailboxEvent | None:
    # Of a known user only an empty password has no row.
    if record.auth_result not in WITHOUT_ROW and record.user:
        return None
    name = _address(record.username)
    return build(
        "login_failed",
        node=node,
        source=source,
        at=clock.from_ms(at_ms),
        key=(text(record.sess) or "", name or ""),
        n=at_ms,
        client_ip=ip(record.ip),
        status_message=text(record.auth_result),
        account=text(record.user),
        account_name=name,
        scope=text(record.scope, limit=16),
    )


def _at_ms(timestamp: Any, now_ms: int) -> int:
    at_s = number(timestamp)
    if at_s is None or not math.isfinite(at_s) or abs(at_s * 1000 - now_ms) > MAX_SKEW_MS:
        return now_ms
    return round(at_s * 1000)


def _address(value: Any) -> str | None:
    return text(value, limit=MAX_ADDRESS)
