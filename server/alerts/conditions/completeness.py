"""Conditions of completeness: numbered events that are missing or were dropped. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator

from server.alerts.conditions.condition import Condition, Reading, Subject, Values, warn
from server.alerts.snapshot import Snapshot
from server.formats import thousands
from server.ledger.queries import Completeness

#: The subject of events whose key belongs to no node.
NO_NODE = "(no node)"


def _reader(
    count_of: Callable[[Completeness], int], one: str, many: str
) -> Callable[[Snapshot, Values], Iterator[Reading]]:
    def read(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
        """Yield a number of events of each node. Nothing is known while batches wait."""
        counts: Counter[str] = Counter()
        for epoch in snapshot.epochs:
            counts[epoch.node] += count_of(epoch)
        is_known = snapshot.is_known("ledger", "")
        for name, count in counts.items():
            node = snapshot.nodes.get(name)
            if node and node.in_maintenance:
                continue
            events = f"1 event {one}" if count == 1 else f"{thousands(count)} events {many}"
            text = f"{events} {name or 'a key of no node'}"
            subject = Subject("node", name or NO_NODE, name if node else "")
            yield Reading(subject, float(count) if is_known else None, text, {"count": count})

    return read


MISSING = Condition(
    "events_missing", "node", "ledger", "Numbered events never arrived, without explanation.",
    _reader(lambda epoch: epoch.missing_count, "is missing from", "are missing from"),
)  # fmt: skip
DROPPED = Condition(
    "events_dropped", "node", "ledger", "An agent dropped events, and says so.",
    _reader(lambda epoch: epoch.dropped_count, "was dropped by", "were dropped by"),
)  # fmt: skip
CONDITIONS = (MISSING, DROPPED)
RULES = (
    warn("events_missing", MISSING, for_="2 min"),
    warn("events_dropped", DROPPED, for_="15 s"),
)
