"""Retry and preview of dead letters."""

import json

from django.utils import timezone

from server.events.columns import NAMES
from server.ingest.inbox import EVENTS, SAMPLES, Entry
from server.ingest.models import DeadLetter

INBOXES = {inbox.kind: inbox for inbox in (EVENTS, SAMPLES)}
NULL = "\\N"


def retry(dead_letter: DeadLetter) -> None:
    """Put a dead letter back into its inbox, then delete it; the sweeper wakes the writer.

    Failing between the two stores it once all the same. Raises InboxFull,
    InboxUnavailable.
    """
    INBOXES[dead_letter.kind].append(
        Entry(
            node=dead_letter.node or None,
            received_at=timezone.now().timestamp(),
            count=1,
            payload=dead_letter.payload.encode(),
        )
    )
    dead_letter.delete()


def preview(kind: str, payload: str) -> list[tuple[str, str]]:
    """Return the fields of a payload by name, unchanged; a field without a name gets `?`."""
    if kind == EVENTS.kind:
        fields = payload.split("\t")
        names = [*NAMES, *["?"] * (len(fields) - len(NAMES))]
        return [(name, value) for name, value in zip(names, fields, strict=False) if value != NULL]
    try:
        return [(str(name), str(value)) for name, value in json.loads(payload).items()]
    except (ValueError, AttributeError):
        return [("?", payload)]
