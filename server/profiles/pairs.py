"""Outcomes of pairs of provider and sending IP: of a provider by IP, of an IP by provider."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from heapq import nlargest

from server.profiles import kinds
from server.profiles.kinds import Kind
from server.profiles.outcomes import Outcomes, read_values
from server.rollups.levels import DAILY
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import counts, largest_values
from server.rollups.plan import DAY, Buckets, ceil, floor

PAIR = "provider_ip"
#: The other sides that are looked for: those that delivered most.
MAX_PAIRED = 200
#: Of these, the ones that are counted: each costs a hundred or two lookups.
MAX_COUNTED = 30
#: They are looked for on so many of the newest days of the range.
LOOKED_BACK = 7 * DAY


def find_other(kind: Kind) -> Kind | None:
    """Return the kind with which a kind is paired; None: with none."""
    return {kinds.PROVIDER: kinds.IP, kinds.IP: kinds.PROVIDER}.get(kind)


def read_pairs(
    kind: Kind, name: str, buckets: Buckets, refused: Collection[str]
) -> dict[str, Outcomes]:
    """Return outcomes by IP of a provider, by provider of an IP; of the others nothing.

    `refused`: those that are counted whatever was delivered. Runs three queries at most.
    """
    other = find_other(kind)
    if other is None:
        return {}
    # Whole days, for these are few rows: to look all of the largest up in each hour and minute of
    # the range took most of the time of a profile.
    start = max(buckets.start, buckets.end - LOOKED_BACK)
    edges = (floor(start, DAY), ceil(buckets.end, DAY))
    days = LevelQuery(DAILY, edges, "outbound", other.dimension)
    largest = largest_values(days, limit=MAX_PAIRED, event_type="delivered")
    by_pair = _pair(kind, name, largest)
    if len(by_pair) > MAX_COUNTED:
        by_pair = _keep_largest(by_pair, replace(days, dimension=PAIR))
    by_pair |= _pair(kind, name, refused)
    of_pairs = read_values(LevelQuery.of(buckets.merged, "outbound", PAIR), list(by_pair))
    return {by_pair[pair]: outcomes for pair, outcomes in of_pairs.items()}


def _pair(kind: Kind, name: str, others: Collection[str]) -> dict[str, str]:
    """Return the other sides by the values of their pairs."""
    if kind is kinds.PROVIDER:
        return {f"{name} {ip}": ip for ip in others}
    return {f"{provider} {name}": provider for provider in others}


def _keep_largest(by_pair: Mapping[str, str], days: LevelQuery) -> dict[str, str]:
    """Return the pairs that delivered most on these days."""
    delivered: Counter[str] = Counter()
    for count in counts(days, values=list(by_pair), event_types=("delivered",)):
        delivered[count.value] += count.events
    largest = nlargest(MAX_COUNTED, delivered, key=delivered.__getitem__)
    return {pair: by_pair[pair] for pair in largest}
