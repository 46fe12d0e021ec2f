"""What a person may do with a dead letter."""

import json
from collections.abc import Callable

from django.utils import timezone

from server.events.columns import NAMES
from server.ingest.inbox import EVENTS, SAMPLES, Entry
from server.ingest.models import DeadLetter

Act = Callable[[DeadLetter], None]
INBOXES = {inbox.kind: inbox for inbox in (EVENTS, SAMPLES)}
NULL = "\\N"


def retry(letter: DeadLetter) -> None:
    """Put the letter back into its inbox, then forget it; the sweeper wakes the writer.

    Should it fail between the two, it is stored once all the same. Raises InboxFull,
    InboxUnavailable.
    """
    INBOXES[letter.kind].append(
        Entry(
            node=letter.node or None,
            received_at=timezone.now().timestamp(),
            count=1,
            payload=letter.payload.encode(),
        )
    )
    letter.delete()


def discard(letter: DeadLetter) -> None:
    """Forget the letter."""
    letter.delete()


def preview(kind: str, payload: str) -> list[tuple[str, str]]:
    """Return the fields of a payload by name, as they are; what has no name gets `?`."""
    if kind == EVENTS.kind:
        fields = payload.split("\t")
        names = [*NAMES, *["?"] * (len(fields) - len(NAMES))]
        return [(name, value) for name, value in zip(names, fields, strict=False) if value != NULL]
    try:
        return [(str(name), str(value)) for name, value in json.loads(payload).items()]
    except (ValueError, AttributeError):
        return [("?", payload)]
