"""Dead letters: kept once each and within bounds, retried, previewed."""

import hashlib
import json
import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from server.events.columns import NAMES
from server.ingest.inbox import EVENTS, SAMPLES, Entry
from server.ingest.models import DeadLetter

INBOXES = {inbox.kind: inbox for inbox in (EVENTS, SAMPLES)}
NULL = "\\N"
MAX_REASON_CHARS = 2_000
#: How many were given up, oldest first, to keep DEAD_LETTERS_MAX: in the inbox's database.
GIVEN_UP = "mallard:dead_letters:given_up"

logger = logging.getLogger(__name__)


def keep(kind: str, entry: Entry, error: Exception) -> None:
    """Keep an entry of one line that cannot be stored; a line that is kept already, once."""
    payload = _storable(entry.payload.decode(errors="replace"))
    reason = _storable(str(error))[:MAX_REASON_CHARS]
    logger.error("Cannot store one of the %s, it is now a dead letter: %s", kind, reason)
    DeadLetter.objects.update_or_create(
        kind=kind,
        payload_hash=UUID(bytes=hashlib.sha256(payload.encode()).digest()[:16]),
        defaults={"reason": reason},
        create_defaults={"reason": reason, "node": entry.node or "", "payload": payload},
    )
    _give_up_oldest()


def _give_up_oldest() -> None:
    kept = DeadLetter.objects.order_by("-pk").values_list("pk", flat=True)
    first = kept[settings.DEAD_LETTERS_MAX : settings.DEAD_LETTERS_MAX + 1].first()
    if first is not None:
        count, _ = DeadLetter.objects.filter(pk__lte=first).delete()
        EVENTS.client.incrby(GIVEN_UP, count)
        logger.warning("Gave up the oldest of the dead letters, as there are too many: %d", count)


def count_given_up() -> int:
    """Return how many were given up for lack of room. Raises redis.RedisError."""
    count: Any = EVENTS.client.get(GIVEN_UP)
    return int(count or 0)


def delete_old(now: datetime) -> int:
    """Delete those past their retention; return how many."""
    oldest = now - timedelta(days=settings.DEAD_LETTERS_RETENTION_DAYS)
    count, _ = DeadLetter.objects.filter(created_at__lt=oldest).delete()
    return count


def _storable(text: str) -> str:
    """Return text that PostgreSQL takes."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def retry(dead_letter: DeadLetter) -> None:
    """Delete a dead letter and put it back into its inbox; the sweeper wakes the writer.

    In one transaction, for which a writer waits that refuses it again. Raises InboxFull or
    InboxUnavailable, and then it stays.
    """
    entry = Entry(
        node=dead_letter.node or None,
        received_at=timezone.now().timestamp(),
        count=1,
        payload=dead_letter.payload.encode(),
    )
    with transaction.atomic():
        dead_letter.delete()
        INBOXES[dead_letter.kind].append(entry)


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
