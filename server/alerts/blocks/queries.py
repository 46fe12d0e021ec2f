"""Queries of the attempts and of the evidence, from the raw events. Times always bound them."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from server.alerts.blocks.attempts import EXCLUDED, NULL_SENDER, Attempts, Reply
from server.alerts.blocks.models import MAX_EVIDENCE, MAX_REPLY_CHARS
from server.alerts.blocks.watch import Watch
from server.timescale.rows import fetch_rows

#: More groups of one query are left out, those with the fewest messages first, and counted.
MAX_ROWS = 200_000
NO_REPLY = "none"
MINUTE_S = 60
#: Who sends: the account, else the domain. Addresses of the envelope may be one for each message.
#: Inferred refusals have no reply; they are known from the queue alone.
SOURCE = """FROM email_events
WHERE occurred_at >= %(start)s::timestamptz AND occurred_at < %(end)s::timestamptz
  AND direction = 'outbound' AND event_type IN ('delivered', 'deferred', 'bounced')
  AND provider IS NOT NULL AND (%(provider)s::text IS NULL OR provider = %(provider)s::text)
  AND (event_type = 'delivered' OR certainty = 'reported')
  AND (bounce_class IS NULL OR bounce_class <> ALL(%(excluded)s))"""
SENDER = f"""CASE WHEN from_address = '{NULL_SENDER}' THEN '{NULL_SENDER}'
  ELSE coalesce(nullif(auth_user, ''), '@' || from_domain, '') END"""
IP = "coalesce(host(sending_ip), host(sending_ip_v6), '')"
PERMANENT = "coalesce(status_code >= 500, event_type = 'bounced')"
ATTEMPTS = f"""SELECT {MINUTE_S} * floor(extract(epoch FROM occurred_at) / {MINUTE_S})::bigint,
  provider, {IP}, {SENDER}, coalesce(from_domain, ''), coalesce(attempt, 1) <= 1,
  event_type = 'delivered', coalesce(reply_fingerprint, '{NO_REPLY}'),
  coalesce(bounce_class, 'unknown'), {PERMANENT},
  count(DISTINCT coalesce(queue_id, event_id::text)), extract(epoch FROM min(occurred_at))::float8,
  count(*) OVER ()
{SOURCE}
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ORDER BY 11 DESC LIMIT {MAX_ROWS}"""  # noqa: S608
EVIDENCE = f"""SELECT event_id::text, occurred_at, {SENDER}, from_domain, {IP},
  coalesce(bounce_message, status_message, ''), reply_fingerprint
{SOURCE}
  AND event_type <> 'delivered' AND coalesce(attempt, 1) <= 1
  AND (%(ip)s::text IS NULL OR {IP} = %(ip)s)
  AND (%(sender)s::text IS NULL OR {SENDER} = %(sender)s)
  AND (%(domain)s::text IS NULL OR from_domain = %(domain)s)
ORDER BY occurred_at LIMIT {MAX_EVIDENCE}"""


class Window:
    """The attempts of some minutes: by minute, and how many groups were left out."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self.by_minute: defaultdict[int, list[Attempts]] = defaultdict(list)
        self.left_out_count = 0
        merged: dict[tuple[Any, ...], list[Any]] = {}
        for count, row in enumerate(rows, 1):
            *key, first, taken, fingerprint, bounce_class, permanent, messages, at, total = row
            counts = merged.setdefault(tuple(key), [0, [], 0, 0, 0.0])
            self.left_out_count = total - count
            if taken:
                counts[0 if first else 2] += messages
            elif first:
                counts[1].append(Reply(fingerprint, bounce_class, permanent, messages))
                counts[4] = min(counts[4] or at, at)
            else:
                counts[3] += messages
        for (minute, *names), (taken, replies, later, refused_later, at) in merged.items():
            its = dict(zip(("provider", "ip", "sender", "domain"), names, strict=True))
            attempts = Attempts(
                **its, taken=taken, replies=tuple(replies), taken_later=later,
                refused_later=refused_later, refused_at=at,
            )  # fmt: skip
            self.by_minute[minute].append(attempts)


def read_attempts(start: datetime, end: datetime, *, provider: str | None = None) -> Window:
    """Return the attempts of [start, end), of one provider or of all."""
    values = {"start": start, "end": end, "provider": provider, "excluded": list(EXCLUDED)}
    return Window(fetch_rows(ATTEMPTS, values))


def read_evidence(watch: Watch) -> list[dict[str, Any]]:
    """Return the first events that a block refused, as they are stored with it."""
    of = {"ip": None, "sender": None, "domain": None} | {watch.kind: watch.subject}
    values = of | {
        "start": datetime.fromtimestamp(watch.started_at, UTC).replace(microsecond=0),
        "end": datetime.fromtimestamp(watch.found_at, UTC),
        "provider": watch.provider,
        "excluded": list(EXCLUDED),
    }
    return [
        {
            "event_id": event_id, "occurred_at": at.isoformat(), "sender": sender,
            "domain": domain or "", "ip": ip, "reply": reply[:MAX_REPLY_CHARS],
            "fingerprint": fingerprint or NO_REPLY,
        }
        for event_id, at, sender, domain, ip, reply, fingerprint in fetch_rows(EVIDENCE, values)
    ]  # fmt: skip
