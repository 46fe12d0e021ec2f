"""Bound on new nodes: a key that may speak for any node adds only so many in a time."""

from collections.abc import Set as AbstractSet

from server.ingest import rate_limit
from server.nodes.authentication import KeyHolder
from server.nodes.queries import unknown_names

#: Names remembered as known; past it all are looked up again.
MAX_KNOWN = 10_000
_known: set[str] = set()


def check(holder: KeyHolder, names: AbstractSet[str]) -> None:
    """Count those of `names` that are no node yet. Raises Throttled (429 with Retry-After).

    A key of one node adds none: its node was there before it.
    """
    if holder.node is not None or names <= _known:
        return
    if unknown := unknown_names(names - _known):
        rate_limit.check_new_nodes(holder.key_id, len(unknown))
    if len(_known) + len(names) > MAX_KNOWN:
        _known.clear()
    _known.update(names)
