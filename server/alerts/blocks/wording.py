"""Words for a block: what is refused, by whom, why, and whose mail it is. Pure.

Names and replies are of strangers: one line, cut, and shown as text.
"""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from server.events.domains import to_unicode
from server.formats import isolate, percent

#: Characters of a reply in a sentence.
MAX_WORDS_CHARS = 100
#: From this share of the refused mail on a sender is named.
NAMED_SHARE = 0.5
UNREACHABLE = ("network", "unknown")
#: What turns the direction of the text around it, and what no reader sees.
_CONTROLS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\x00-\x08\x0e-\x1b\x7f]")


class Described(Protocol):
    """What the words are made of: a Block."""

    kind: str
    provider: str
    subject: str
    permanent_at: Any
    bounce_class: str
    reply: str
    refused_count: int
    senders: Sequence[Sequence[Any]]


def describe(block: Described) -> str:
    """Return what is refused: "Yahoo blocks 192.0.2.7"."""
    provider, subject = one_line(block.provider), one_line(show_sender(block.subject))
    if block.kind == "provider":
        silent = block.bounce_class in UNREACHABLE
        return f"{provider} does not answer" if silent else f"{provider} refuses everybody's mail"
    if block.kind == "ip":
        return f"{provider} {'blocks' if block.permanent_at else 'slows down'} {subject}"
    verb = "refuses" if block.permanent_at else "defers"
    return f"{provider} {verb} mail of {subject}"


def describe_cause(block: Described, max_chars: int = MAX_WORDS_CHARS) -> str:
    """Return the reply, and whose mail most of the refused is; empty where neither is known."""
    words = " ".join(_CONTROLS.sub("", block.reply).split())
    if len(words) > max_chars:
        words = f"{words[: max_chars - 1]}…"
    words = isolate(words)
    return ", ".join(filter(None, (words, describe_contributor(block))))


def describe_contributor(block: Described) -> str:
    """Return whose mail most of the refused is, where the block itself does not name it."""
    if block.kind == "sender" or len(block.senders) < 2 or not block.refused_count:  # noqa: PLR2004
        return ""
    name, count = block.senders[0]
    if count < NAMED_SHARE * block.refused_count:
        return ""
    share = percent(count, block.refused_count)
    return f"{share} of the refused mail is of {one_line(show_sender(name))}"


def show_sender(name: str) -> str:
    """Return a sender, which is an account, or a domain where nobody logged in."""
    return to_unicode(name.removeprefix("@")) if name.startswith("@") else name


def one_line(text: str) -> str:
    """Return the text on one line, with what it does to directions kept to itself."""
    return isolate(" ".join(_CONTROLS.sub("", text).split()))
