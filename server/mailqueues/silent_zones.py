"""Silent zones: mail is due in them and nothing is tried. Pure.

Such a zone has no sender process, or its senders hang; the queue grows and no reply says why.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.mailqueues.accounting import Database

#: Mail that is due for so long without an attempt makes a zone silent. Senders of a busy zone start
#: one every few seconds, those of an idle one within ten.
SILENT_AFTER = timedelta(minutes=10)
#: An earlier reading that is older than this says nothing of the time between.
MAX_APART = 3 * SILENT_AFTER

#: A database and a zone.
Zone = tuple[str | None, str]


@dataclass(frozen=True)
class SilentZone:
    """A zone of one queue in which mail has been due `since` at least, untried. `due_count`: how
    many recipients are due now."""

    database: str | None
    nodes: tuple[str, ...]
    zone: str
    due_count: int
    since: datetime


def find_candidates(
    databases: Iterable[Database], earlier: Iterable[Database], now: datetime
) -> list[SilentZone]:
    """Return the zones in which mail is due now and was SILENT_AFTER ago; whether anything was
    tried meanwhile is not looked at. What is not read in time says nothing."""
    before = {each.name: each.reading for each in earlier}
    zones: list[SilentZone] = []
    for database in databases:
        reading, then = database.reading, before.get(database.name)
        if reading.is_stale(now) or then is None:
            continue
        if not SILENT_AFTER <= now - then.at <= MAX_APART:
            continue
        were_due = {zone.zone for zone in then.queue.zones if zone.active_count}
        zones += [
            SilentZone(database.name, database.nodes, zone.zone, zone.active_count, then.at)
            for zone in reading.queue.zones
            if zone.active_count and zone.zone in were_due
        ]
    return zones


def find_silent_zones(
    candidates: Iterable[SilentZone], attempts: Mapping[str, Set[str]]
) -> list[SilentZone]:
    """Return the candidates without an attempt on any of their nodes, most mail first.

    `attempts`: the zones in which each node tried something since then.
    """
    silent = [
        each
        for each in candidates
        if not any(each.zone in attempts.get(node, ()) for node in each.nodes)
    ]
    return sorted(silent, key=lambda each: (-each.due_count, each.zone))
