"""The newest refusals of one provider, destination, IP, domain or account, read from raw events.

The levels have no pairs of most of these. What is read is bounded: the newest MAX_REFUSALS. To
group more took longer than all else of a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from server.events.vocabulary import EMPTY_SENDER
from server.profiles.kinds import Kind
from server.timescale.rows import fetch_rows

MAX_REFUSALS = 5_000
#: Values that are listed of each part; the others are counted.
MAX_LISTED = 20
#: Domains whose waiting mail is looked for.
MAX_DOMAINS = 1_000
#: Part → the column of an event it groups by.
PARTS = {
    "classes": "bounce_class",
    "replies": "reply_fingerprint",
    "providers": "provider",
    "destinations": "to_domain",
    "ips": "sending_ip",
    "domains": "from_domain",
    "accounts": "account",
    "nodes": "mta_node",
    "mx_hosts": "mx_host",
}
_GROUPED = {part: column for part, column in PARTS.items() if part != "replies"}
_PART = " ".join(f"WHEN GROUPING({column}) = 0 THEN '{part}'" for part, column in _GROUPED.items())
_VALUE = ", ".join(f"{column}::text" for column in _GROUPED.values())
_SETS = ", ".join(f"({column})" for column in _GROUPED.values())
#: The partial indexes of 0009_indexes_of_refusals and 0014_index_of_accounts are in this order, and
#: of these rows. Groups are hashed: an aggregate of distinct values would sort all rows for each
#: part. Replies, long texts, are carried and compared, byte by byte, for their own part only.
NEWEST = f"""WITH newest AS MATERIALIZED (
  SELECT occurred_at, bounce_class, reply_fingerprint, provider, to_domain,
    host(sending_ip) AS sending_ip, from_domain, account, mta_node, mx_host,
    coalesce(bounce_message, status_message) AS reply
  FROM email_events
  WHERE {{column}} {{is_named}} AND direction = 'outbound'
    AND event_type IN ('bounced', 'deferred', 'rejected')
    AND from_address IS DISTINCT FROM '{EMPTY_SENDER}'
    AND occurred_at >= %(start)s::timestamptz AND occurred_at < %(end)s::timestamptz
  ORDER BY occurred_at DESC LIMIT %(limit)s
), grouped AS (
  SELECT CASE {_PART} ELSE 'all' END AS part, coalesce({_VALUE}, '') AS value, count(*) AS count,
    min(occurred_at) AS first_at, max(occurred_at) AS last_at, '' AS reply, '' AS bounce_class
  FROM newest GROUP BY GROUPING SETS ((), {_SETS})
  UNION ALL
  SELECT 'replies', coalesce(reply_fingerprint, ''), count(*), min(occurred_at), max(occurred_at),
    max(reply COLLATE "C"), max(bounce_class COLLATE "C")
  FROM newest GROUP BY reply_fingerprint
), placed AS (
  SELECT *, row_number() OVER (PARTITION BY part ORDER BY count DESC, value) AS place,
    count(*) OVER (PARTITION BY part) AS values_count
  FROM grouped
)
SELECT part, value, count, first_at, last_at, coalesce(reply, ''), coalesce(bounce_class, ''),
  values_count, CASE part WHEN 'all' THEN (SELECT array_agg(value) FROM placed
    WHERE part = 'destinations' AND value <> '' AND place <= {MAX_DOMAINS}) END
FROM placed WHERE place <= {MAX_LISTED} ORDER BY part, place"""  # noqa: S608 (names of ours)


@dataclass(frozen=True)
class Refused:
    """Refusals of one value. `reply`, `bounce_class`: of a fingerprint, one of its replies as it
    came, and what it means."""

    value: str
    count: int
    first_at: datetime
    last_at: datetime
    reply: str = ""
    bounce_class: str = ""


@dataclass(frozen=True)
class Part:
    """The values with the most refusals, and how many values there are."""

    values: Sequence[Refused] = ()
    values_count: int = 0


@dataclass(frozen=True)
class Refusals:
    """The newest refusals by part. `count`: how many were read; `is_cut`: there are older ones."""

    count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    domains: Sequence[str] = ()

    @property
    def is_cut(self) -> bool:
        return self.count >= MAX_REFUSALS

    def __getitem__(self, part: str) -> Part:
        return self.parts.get(part, Part())


def read_refusals(kind: Kind, names: Sequence[str], start: datetime, end: datetime) -> Refusals:
    """Return the newest refusals of [start, end), those of DSNs left out as in all counts.

    `names`: the spellings of one name. Runs one query.
    """
    # One is compared by "=": the index is in the order of time for a single value alone.
    is_named = "= %(value)s" if len(names) == 1 else "= ANY(%(names)s)"
    statement = NEWEST.format(column=kind.column, is_named=is_named)
    values = {"value": names[0], "names": list(names), "start": start, "end": end,
              "limit": MAX_REFUSALS}  # fmt: skip
    return group_rows(fetch_rows(statement, values))


def group_rows(rows: Sequence[tuple[Any, ...]]) -> Refusals:
    """Return the rows of NEWEST by part. Pure."""
    parts: dict[str, Part] = {}
    total = None
    for part, *refused, values_count, domains in rows:
        if part == "all":
            total = Refused(*refused), domains or []
        else:
            listed = parts.get(part, Part())
            parts[part] = Part([*listed.values, Refused(*refused)], values_count)
    if total is None or not total[0].count:
        return Refusals()
    return Refusals(total[0].count, total[0].first_at, total[0].last_at, parts, total[1])
