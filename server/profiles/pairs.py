"""Outcomes of pairs of provider and sending IP: of a provider by IP, of an IP by provider."""

from collections import Counter
from collections.abc import Collection
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
#: The largest of the range that are looked up.
MAX_PAIRED = 200
#: Of these, providers with which an IP is counted: each costs a hundred or two lookups.
MAX_PROVIDERS = 20


def read_pairs(
    kind: Kind, name: str, buckets: Buckets, refused_by: Collection[str]
) -> dict[str, Outcomes]:
    """Return outcomes by IP of a provider, by provider of an IP; of the others nothing.

    `refused_by`: providers that are counted with an IP whatever it delivered. Runs two queries, of
    an IP three.
    """
    if kind is kinds.PROVIDER:
        query = LevelQuery.of(buckets.merged, "outbound", kinds.IP.dimension)
        by_pair = {f"{name} {ip}": ip for ip in largest_values(query, limit=MAX_PAIRED)}
    elif kind is kinds.IP:
        providers = dict.fromkeys([*_find_providers(name, buckets), *refused_by])
        by_pair = {f"{provider} {name}": provider for provider in providers}
    else:
        return {}
    of_pairs = read_values(LevelQuery.of(buckets.merged, "outbound", PAIR), list(by_pair))
    return {by_pair[pair]: outcomes for pair, outcomes in of_pairs.items()}


def _find_providers(ip: str, buckets: Buckets) -> list[str]:
    """Return the providers that took most from an IP on the days of the range.

    Whole days, for these are few rows: to look all of the largest providers up in each hour and
    minute of the range took most of the time of a profile.
    """
    edges = (floor(buckets.start, DAY), ceil(buckets.end, DAY))
    days = LevelQuery(DAILY, edges, "outbound", kinds.PROVIDER.dimension)
    largest = largest_values(days, limit=MAX_PAIRED, event_type="delivered")
    by_pair = {f"{provider} {ip}": provider for provider in largest}
    delivered: Counter[str] = Counter()
    of_days = replace(days, dimension=PAIR)
    for count in counts(of_days, values=list(by_pair), event_types=("delivered",)):
        delivered[by_pair[count.value]] += count.events
    return nlargest(MAX_PROVIDERS, delivered, key=delivered.__getitem__)
