"""Vocabulary of events: their types, directions, outcomes and the other closed lists. Pure."""

from typing import Literal, get_args

MailType = Literal[
    "received", "sent", "delivered", "bounced", "deferred", "rejected", "greylisted", "dropped"
]
MailboxType = Literal[
    "stored", "forwarded", "autoreplied", "duplicate", "refused", "login", "login_failed"
]
EventType = Literal[MailType, MailboxType]
MailDirection = Literal["inbound", "outbound"]
Direction = Literal[MailDirection, "mailbox"]
BounceType = Literal["hard", "soft"]
AuthResult = Literal[
    "pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror"
]
Source = Literal[
    "zonemta_plugin", "haraka_plugin", "change_stream", "api", "wildduck_stream", "gelf",
    "haraka_log",
]  # fmt: skip
Origin = Literal["smtp", "webmail", "api", "forward", "autoreply", "dsn"]
Certainty = Literal["reported", "inferred"]

EVENT_TYPES: tuple[str, ...] = get_args(EventType)
#: The types of SMTP, which levels count and pages add up; `dropped` is of mailboxes as well.
MAIL_TYPES: tuple[str, ...] = get_args(MailType)
#: The directions that pages, ratios and totals are of: what happens at mailboxes is beside them.
DIRECTIONS: tuple[str, ...] = get_args(MailDirection)
ALL_DIRECTIONS: tuple[str, ...] = get_args(Direction)
#: Where something happened to mail, or to a user, at a mailbox of WildDuck.
MAILBOX = "mailbox"
ORIGINS: tuple[str, ...] = get_args(Origin)
BOUNCE_TYPES: tuple[str, ...] = get_args(BounceType)
CERTAINTIES: tuple[str, ...] = get_args(Certainty)
#: The type with which a message begins.
BEGINNING = {"inbound": "received", "outbound": "sent"}
#: The types with which an attempt, or a recipient, ends: ratios are of their sum.
OUTCOMES = {
    "inbound": ("delivered", "rejected", "greylisted", "deferred"),
    "outbound": ("delivered", "bounced", "deferred"),
}
#: The types a page counts for each direction, in the order in which it shows them.
SHOWN = {direction: (BEGINNING[direction], *OUTCOMES[direction]) for direction in DIRECTIONS}
#: The type whose events carry the size of the whole message.
SIZED_BY = {"inbound": "received", "outbound": "delivered"}
#: The types of mail that did not go on.
FAILURES = frozenset({"bounced", "deferred", "dropped", "greylisted", "rejected"})
#: The envelope sender of bounces and other notices.
EMPTY_SENDER = "<>"
