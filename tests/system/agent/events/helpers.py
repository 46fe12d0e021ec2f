"""Shared by tests of the change stream on real servers."""

from collections import Counter
from typing import Any

import pymongo

from tests.agent_fixtures import read_events
from tests.waiting import until

NODE = "mta-01"


def connect(uri: str) -> pymongo.MongoClient[dict[str, Any]]:
    """Return a client."""
    return pymongo.MongoClient(uri)


def has_position(spool):
    """Return whether a snapshot is complete and a position saved."""
    with spool.read() as tx:
        state = spool.stream(tx)
        return state.position() and not state.snapshot_pending()


def wait_for_events(spool, *, count):
    """Wait for `count` events; return them as {(recipient, type): event}."""
    events = until(
        lambda: (e := read_events(spool)) and len(e) >= count and e, what=f"{count} events"
    )
    counted = Counter(e.get("event_id") or (e["to_address"], e["event_type"]) for e in events)
    assert set(counted.values()) == {1}, counted
    return {(e["to_address"], e["event_type"]): e for e in events}


def counters(spool):
    """Return the durable counters of the spool."""
    with spool.read() as tx:
        return tx.counters()
