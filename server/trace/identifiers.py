"""Identifiers of messages as people type or paste them. Pure."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

#: ZoneMTA's ids, alone or with the number of a recipient, as log lines have them.
ZONEMTA_ID = re.compile(r"[0-9a-f]{16,20}(\.[0-9a-f]{3})?", re.IGNORECASE)
#: Haraka's transaction: the uuid of its connection and a number.
HARAKA_ID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}(\.\d+)*")
#: WildDuck's ids are those of MongoDB.
WILDDUCK_ID = re.compile(r"[0-9a-f]{24}", re.IGNORECASE)
#: A Message-ID as people copy it, without its angle brackets.
BARE_MESSAGE_ID = re.compile(r"[^\s<>@]+@[^\s<>@]+")
#: A Message-ID may be longer than what events have of it.
MAX_CHARS, MAX_STORED_CHARS = 1_000, 255


class Identifier(NamedTuple):
    """A column of an event and the values by which it names one message."""

    column: str
    values: tuple[str, ...]

    @property
    def value(self) -> str:
        return self.values[0]


def identify(event: Mapping[str, Any]) -> str:
    """Return the identifier of the message that an event is of; of an event without one its own."""
    return event["queue_id"] or str(event["event_id"])


def parse_identifier(text: str) -> Identifier | None:  # noqa: PLR0911
    """Return what a text identifies; None: it is no identifier of a message.

    Haraka leaves the angle brackets of a Message-ID, people and some programs do not: it is looked
    for with and without.
    """
    text = text.strip()
    if not text or len(text) > MAX_CHARS or "\0" in text:
        return None
    if HARAKA_ID.fullmatch(text) or (HARAKA_ID.fullmatch(text.upper()) and "." in text):
        return Identifier("queue_id", (text.upper(),))
    if HARAKA_ID.fullmatch(text.upper()):
        return Identifier("event_id", (text.lower(),))
    if WILDDUCK_ID.fullmatch(text):
        return Identifier("wildduck_id", (text.lower(),))
    if ZONEMTA_ID.fullmatch(text):
        return Identifier("queue_id", (text.partition(".")[0].lower(),))
    bare = text.removeprefix("<").removesuffix(">")
    if BARE_MESSAGE_ID.fullmatch(bare):
        spellings = (f"<{bare}>"[:MAX_STORED_CHARS], bare[:MAX_STORED_CHARS])
        return Identifier("message_id", spellings)
    return None
