"""Inventory: every provider, destination, sending IP, sending domain or account of a range."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from server.events.vocabulary import OUTCOMES
from server.profiles import accounts, kinds
from server.profiles.kinds import Kind, show_name
from server.profiles.outcomes import REFUSALS
from server.profiles.sending_ips import SeenIp, list_ips
from server.rollups.levels import OTHER
from server.rollups.mail.level_query import LevelQuery, fast_sum
from server.rollups.plan import DAY, HOUR, Buckets, floor, plan_total

#: So many of the largest are listed; of IPs every one that was ever seen is.
MAX_VALUES = 5_000
#: Pairs of provider and IP with the most refusals that are looked at, and of how many of the
#: newest days of the range: a month of them were two thirds of the list's time.
MAX_PAIRS, REFUSED_LOOKED_BACK = 5_000, 7 * DAY
_TYPES = ("sent", *OUTCOMES["outbound"])
_SUMS = ", ".join(
    f"coalesce(sum(events) FILTER (WHERE event_type = '{kind}'), 0)::bigint" for kind in _TYPES
)
#: Many rows become few by the cheapest grouping; the rest is of the few.
LARGEST = f"""SELECT value, {_SUMS} FROM (
  SELECT value, event_type, {fast_sum("events")} AS events FROM {{relation}} {{only}} GROUP BY 1, 2
) AS by_type
WHERE event_type = ANY(%(types)s) AND value NOT IN ('', '{OTHER}')
GROUP BY 1 ORDER BY sum(events) DESC, 1 LIMIT %(limit)s"""  # noqa: S608 (names of ours)
#: For what only few of the rows are of: the key finds them.
ONLY_TYPES = "WHERE event_type = ANY(%(types)s)"


class Counts(NamedTuple):
    """Events of one value."""

    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    deferred: int = 0

    @property
    def attempts(self) -> int:
        return self.delivered + self.bounced + self.deferred

    @property
    def refused_ratio(self) -> float | None:
        """The share of attempts that were deferred or bounced; None: there was none."""
        return (self.bounced + self.deferred) / self.attempts if self.attempts else None


@dataclass(frozen=True)
class Row:
    """One value with its counts in the range. `known_as`: names of an account. All else is of IPs.

    `hour`, `day`: attempts of the last hour and 24 hours. `refused_by`: the provider that refused
    most of it in the newest week of the range, and how much.
    """

    name: str
    counts: Counts
    hour: int = 0
    day: int = 0
    seen: SeenIp | None = None
    refused_by: str = ""
    refused_count: int = 0
    known_as: str = ""


@dataclass(frozen=True)
class Inventory:
    """The rows of a kind in the time of `buckets`. `is_cut`: smaller ones are not listed."""

    kind: Kind
    buckets: Buckets
    rows: Sequence[Row]
    is_cut: bool = False


@dataclass(frozen=True)
class IpFacts:
    """What is known of IPs beside their counts in the range, each by address."""

    seen: Sequence[SeenIp] = ()
    hour: Mapping[str, Counts] = field(default_factory=dict)
    day: Mapping[str, Counts] = field(default_factory=dict)
    refused: Sequence[tuple[str, int]] = ()


def read_inventory(kind: Kind, start: datetime, end: datetime, *, now: datetime) -> Inventory:
    """Read all values of a kind. Runs one query, of accounts two, of IPs five, or four where the
    range is a day."""
    buckets = plan_total(start, end, now=now)
    counts = _largest(kind.dimension, buckets, MAX_VALUES)
    if kind is not kinds.IP:
        known_as = accounts.find_names(counts) if kind is kinds.ACCOUNT else {}
        rows = [Row(name, each, known_as=known_as.get(name, "")) for name, each in counts.items()]
        return Inventory(kind, buckets, rows, is_cut=len(rows) >= MAX_VALUES)
    day = _last(DAY, now)
    facts = IpFacts(
        list_ips(),
        _largest(kind.dimension, _last(HOUR, now), MAX_VALUES),
        counts if day == buckets else _largest(kind.dimension, day, MAX_VALUES),
        _most_refused(buckets),
    )
    return Inventory(kind, buckets, build_ip_rows(counts, facts))


def build_ip_rows(counts: Mapping[str, Counts], facts: IpFacts) -> list[Row]:
    """Return a row for each address that was ever seen, or sent in the range. Pure."""
    seen = {each.ip: each for each in facts.seen}
    worst: dict[str, tuple[str, int]] = {}
    for pair, count in facts.refused:  # most first
        provider, _, ip = pair.rpartition(" ")
        worst.setdefault(ip, (provider, count))
    return [
        Row(
            ip,
            counts.get(ip, Counts()),
            facts.hour.get(ip, Counts()).attempts,
            facts.day.get(ip, Counts()).attempts,
            seen.get(ip),
            *worst.get(ip, ("", 0)),
        )
        for ip in dict.fromkeys([*counts, *seen])
    ]


def find_rows(inventory: Inventory, text: str) -> list[Row]:
    """Return the rows in which a text occurs: in the name, node, zone or provider. Pure."""
    wanted = text.casefold()
    if not wanted:
        return list(inventory.rows)
    return [
        row
        for row in inventory.rows
        if any(wanted in t.casefold() for t in _texts(inventory.kind, row))
    ]


def _texts(kind: Kind, row: Row) -> Iterable[str]:
    yield from (row.name, show_name(kind, row.name), row.refused_by, row.known_as)
    if row.seen:
        yield from (row.seen.node, row.seen.zone)


def _largest(dimension: str, buckets: Buckets, limit: int) -> dict[str, Counts]:
    query = LevelQuery.of(buckets.merged, "outbound", dimension)
    statement = LARGEST.format(relation=query.relation, only="")
    rows = query.execute(statement, types=list(_TYPES), limit=limit)
    return {value: Counts(*counts) for value, *counts in rows}


def _most_refused(buckets: Buckets) -> list[tuple[str, int]]:
    start = max(buckets.start, floor(buckets.end - REFUSED_LOOKED_BACK, DAY))
    newest = replace(buckets, edges=(start, buckets.end))
    query = LevelQuery.of(newest, "outbound", "provider_ip")
    statement = LARGEST.format(relation=query.relation, only=ONLY_TYPES)
    rows: list[tuple[Any, ...]] = query.execute(statement, types=list(REFUSALS), limit=MAX_PAIRS)
    return [(value, bounced + deferred) for value, _, _, bounced, deferred in rows]


def _last(length: timedelta, now: datetime) -> Buckets:
    return plan_total(now - length, now, now=now)
