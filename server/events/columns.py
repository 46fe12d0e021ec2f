"""Columns of email_events, in the order in which they travel and are copied: those of the wire."""

from typing import NamedTuple, get_type_hints

from server.events.wire import Event, Stored


class Column(NamedTuple):
    """One column: its name, its PostgreSQL type, the longest text that is stored, its meaning."""

    name: str
    type: str
    max_chars: int
    meaning: str


COLUMNS = tuple(
    Column(name, note.type, note.max_chars, note.meaning)
    for name, hint in get_type_hints(Event, include_extras=True).items()
    for note in getattr(hint, "__metadata__", ())
    if isinstance(note, Stored)
)
NAMES = tuple(column.name for column in COLUMNS)
#: The most symbols stored of a message, and the most characters of one.
MAX_SPAM_SYMBOLS, MAX_SPAM_SYMBOL_CHARS = 100, 64
