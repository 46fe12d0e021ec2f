"""Events from documents of WildDuck's database. Pure. Seen on WildDuck 1.51.1 with MongoDB 6.0.

`messages` has a document for each copy of a message in a mailbox. `authlog` has one for the logins
of one kind within six hours: the first is its insert, each further one raises its counter.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from agent.events.mailbox_event import (
    MAX_ADDRESS,
    MAX_MESSAGE_ID,
    MailboxEvent,
    build,
    ip,
    sender,
)
from agent.parsers.values import count, items, number, table, text

MESSAGES = "messages"
AUTHLOG = "authlog"
DELIVERED = "MX"  # meta.source of what Haraka or LMTP stored
AUTHENTICATION = "authentication"  # authlog has all changes of an account
SUCCESS = "success"
SCOPE_DISABLED = "scope_disabled"  # WildDuck stores such a login without a result
SPAM = "spam"
MAX_PATH = 255
MAX_OUTCOME = 255


class LoginRow(NamedTuple):
    """What the logins of one document of authlog have in common."""

    user: Any
    result: str
    protocol: str | None
    scope: str | None
    client_ip: str | None


def is_delivery(document: Mapping[str, Any]) -> bool:
    """Return whether a document of `messages` is a delivery, and no copy, move or upload."""
    is_first = document.get("root") == document.get("_id")
    return is_first and table(document.get("meta")).get("source") == DELIVERED


def stored_event(
    document: Mapping[str, Any],
    *,
    node: str,
    at: datetime,
    path: str | None = None,
    name: str | None = None,
) -> MailboxEvent:
    """Return the event of a delivery. `path`: of the mailbox; `name`: of the account; `at`: its
    time, if it has none."""
    meta = table(document.get("meta"))
    stored_at = document.get("idate")
    id_ = str(document["_id"])
    outbound = items(document.get("outbound"))
    return build(
        "stored",
        node=node,
        source="wildduck_stream",
        at=stored_at if isinstance(stored_at, datetime) else at,
        key=(id_, ""),
        # LMTP makes one of its own, which no other program knows.
        queue_id=text(meta.get("transactionId")) or text(meta.get("queueId")),
        message_id=text(document.get("msgid"), limit=MAX_MESSAGE_ID),
        from_address=sender(meta.get("from")),
        to_address=next(
            (text(each, limit=MAX_ADDRESS) for each in items(meta.get("to"))[:1]), None
        ),
        client_ip=ip(meta.get("origin")),
        message_size_bytes=count(document.get("size")),
        spam_score=number(meta.get("spamScore")),
        spam_action=text(meta.get("spamAction")),
        account=str(document["user"]) if "user" in document else None,
        account_name=name,
        wildduck_id=id_,
        mailbox=path,
        filter_outcome=_filter_outcome(document),
        caused_queue_id=text(outbound[0]) if outbound else None,
    )


def _filter_outcome(document: Mapping[str, Any]) -> str | None:
    """Return what filters decided: "spam", and the ids of those that matched."""
    matched = [str(each) for each in items(document.get("filters"))]
    decided = [SPAM, *matched] if document.get("junk") is True else matched
    return ", ".join(decided)[:MAX_OUTCOME] or None


def login_row(document: Mapping[str, Any]) -> LoginRow | None:
    """Return what a document of authlog says of its logins; None for other actions."""
    if document.get("action") != AUTHENTICATION or "user" not in document:
        return None
    return LoginRow(
        user=document["user"],
        result=text(document.get("result")) or SCOPE_DISABLED,
        protocol=(text(document.get("protocol"), limit=16) or "").lower() or None,
        scope=text(document.get("requiredScope"), limit=16),
        client_ip=ip(document.get("ip")),
    )


def login_event(
    row: LoginRow, row_id: str, number: int, *, node: str, at: datetime, name: str | None = None
) -> MailboxEvent:
    """Return the event of login `number` of a document."""
    is_success = row.result == SUCCESS
    return build(
        "login" if is_success else "login_failed",
        node=node,
        source="wildduck_stream",
        at=at,
        key=(row_id, ""),
        n=number,
        client_ip=row.client_ip,
        status_message=None if is_success else row.result,
        account=str(row.user),
        account_name=name,
        protocol=row.protocol,
        scope=row.scope,
    )
