"""Texts of messages as ZoneMTA stores them, in forms that can be compared. Pure.

A header line is a binary string, a character a byte. ZoneMTA's notification of a bounce encodes
what is not ASCII or has quotes (RFC 2047), writes a Message-ID in brackets that may have had none,
and writes as UTF-8 what was a binary string before.
"""

import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header

MAX_CHARS = 2000
# How often a text may have been written as UTF-8: by the client, and by each notification.
MAX_ENCODED = 3
_FOLDED = re.compile(r"\r?\n(?=[ \t])")
SEPARATOR = ", "
_IN_BRACKETS = re.compile(r"<([^<>@]*+@[^<>]*+)>$")


def decode(value: str) -> str:
    """Return the text of a header, unfolded and without its encodings."""
    unfolded = _FOLDED.sub("", value[:MAX_CHARS]).strip()
    try:
        decoded = "".join(
            # What is not an encoded word is bytes too as soon as there is one.
            part if isinstance(part, str) else part.decode(charset or "raw-unicode-escape")
            for part, charset in decode_header(unfolded)
        )
    except (HeaderParseError, LookupError, ValueError):
        decoded = unfolded
    return _undo_binary(decoded).strip()


def fold(address: str) -> str:
    """Return an address in the form that is compared."""
    return decode(address).lower()


def fold_message_id(message_id: str | None) -> str | None:
    """Return a Message-ID in the form that is compared; None where there is none in it."""
    return decode(message_id or "").strip("<> ") or None


def split_addresses(value: str) -> list[str]:
    """Return the addresses of a decoded header that ZoneMTA joined by ", ", which may be part of a
    quoted local part."""
    ends = [at for at in _unquoted(value) if value.startswith(SEPARATOR, at)]
    starts = [0, *(end + len(SEPARATOR) for end in ends)]
    pieces = [value[start:end].strip() for start, end in zip(starts, [*ends, None], strict=True)]
    return [found[1] if (found := _IN_BRACKETS.search(each)) else each for each in pieces if each]


def _unquoted(value: str) -> Iterator[int]:
    """Yield the places of `value` that are in no quotes; all, when a quote is never closed."""
    is_quoted = is_literal = False
    places = []
    for at, character in enumerate(value):
        if is_literal:
            is_literal = False
        elif is_quoted and character == "\\":
            is_literal = True
        elif character == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            places.append(at)
    yield from range(len(value)) if is_quoted else places


def _undo_binary(text: str) -> str:
    for _ in range(MAX_ENCODED):
        try:
            text = text.encode("latin-1").decode()
        except UnicodeError:
            break
    return text
