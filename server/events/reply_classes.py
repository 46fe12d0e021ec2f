"""Replies without a class, read from the raw events, and the classes that people assigned."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from django.db import DatabaseError

from server.events.bounce_classes import assigned
from server.events.models import ReplyClass
from server.events.outcomes import REFUSALS
from server.events.replies import normalize
from server.timescale.rows import fetch_rows

logger = logging.getLogger(__name__)

#: How long a process goes on with the classes that it read.
REFRESH_AFTER_S = 30
#: So many of the newest bounces, of deferrals and of rejections are read, whatever their class, and
#: the most frequent texts without one listed.
MAX_READ, MAX_LISTED, MAX_PROVIDERS = 30_000, 200, 3
#: Each from the index of failures, which is in the order of time for a single type alone.
_NEWEST = """(SELECT reply_fingerprint, provider, bounce_class, occurred_at,
    coalesce(bounce_message, status_message) AS reply
  FROM email_events
  WHERE event_type = '{event_type}' AND direction = 'outbound'
    AND occurred_at >= %(start)s::timestamptz AND occurred_at < %(end)s::timestamptz
  ORDER BY occurred_at DESC LIMIT %(limit)s)"""
_OF_EACH = "\n  UNION ALL ".join(_NEWEST.format(event_type=each) for each in sorted(REFUSALS))
UNCLASSIFIED = f"""WITH newest AS ({_OF_EACH}),
unclassified AS (
  SELECT * FROM newest WHERE bounce_class = 'other' AND reply_fingerprint IS NOT NULL
)
SELECT reply_fingerprint, count(*), min(occurred_at), max(occurred_at),
  (array_agg(reply ORDER BY occurred_at DESC))[1],
  array_remove((array_agg(DISTINCT provider))[1:{MAX_PROVIDERS + 1}], NULL),
  (SELECT count(*) FROM unclassified), (SELECT count(*) FROM newest)
FROM unclassified GROUP BY 1 ORDER BY 2 DESC, 1"""  # noqa: S608 (names of the vocabulary)


@dataclass(frozen=True)
class Unclassified:
    """One text that nothing knows. `reply`: the newest. `assigned`: the class a person gave it
    since, which what is stored has not got yet."""

    fingerprint: str
    count: int
    first_at: datetime
    last_at: datetime
    reply: str
    providers: tuple[str, ...]
    assigned: str | None

    @property
    def text(self) -> str:
        return normalize(self.reply)


@dataclass(frozen=True)
class UnclassifiedList:
    """The most frequent texts of the newest refusals without a class.

    `of_count`: those refusals, `texts_count`: their different texts. `is_cut`: there may be more,
    in older refusals than were read.
    """

    replies: tuple[Unclassified, ...]
    of_count: int
    texts_count: int
    is_cut: bool


def read_unclassified(
    start: datetime, end: datetime, *, limit: int = MAX_LISTED
) -> UnclassifiedList:
    """Return the replies of class `other` of outbound mail of [start, end), most frequent first."""
    rows = fetch_rows(UNCLASSIFIED, {"start": start, "end": end, "limit": MAX_READ})
    classes = read_assigned()
    of_count = rows[0][6] if rows else 0
    replies = tuple(
        Unclassified(
            name, count, first, last, reply, tuple(providers[:MAX_PROVIDERS]), classes.get(name)
        )
        for name, count, first, last, reply, providers, _, _ in rows[:limit]
    )
    return UnclassifiedList(replies, of_count, len(rows), bool(rows) and rows[0][7] >= MAX_READ)


def read_assigned() -> dict[str, str]:
    """Return the assigned class of each fingerprint."""
    return dict(ReplyClass.objects.values_list("fingerprint", "bounce_class"))


_read_at = float("-inf")


def refresh(*, after_s: float = REFRESH_AFTER_S) -> None:
    """Let this process know the assigned classes, if it read them longer ago than `after_s`.

    While the database does not answer it goes on with those it has.
    """
    global _read_at  # noqa: PLW0603 (one reading a process)
    now = monotonic()
    if now - _read_at < after_s:
        return
    _read_at = now
    try:
        classes: Mapping[str, str] = read_assigned()
    except DatabaseError:
        logger.warning("Assigned classes of replies could not be read; those known stay")
        return
    assigned.replace(classes)  # type: ignore[arg-type]  # its choices are the classes
