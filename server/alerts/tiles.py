"""The big numbers of the overview, each with its judgement. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from server.alerts.backlog import describe_unstored
from server.alerts.nodes import judge_reporting
from server.alerts.problems import Facts
from server.alerts.queues import judge_queues, oldest_created_at
from server.events.vocabulary import OUTCOMES
from server.formats import UNKNOWN, change, duration, percent, thousands
from server.ledger.queries import Completeness
from server.mailqueues.accounting import Database
from server.nodes.queries import Reporting
from server.observability.backlog import Backlog
from server.rollups.mail.queries import HourTotals


@dataclass(frozen=True)
class Tile:
    """One big number. `level`: ok, warning, critical, none for unknown, or empty for no judgement.

    `note`: what it is of, what it means.
    """

    name: str
    label: str
    text: str
    unit: str = ""
    note: str = ""
    level: str = ""


def build_tiles(
    hour: HourTotals, nodes: Reporting, facts: Facts, *, now: datetime
) -> tuple[Tile, ...]:
    """Return the tiles of one moment, in the order of the page."""
    outbound = hour.outbound
    outcomes = sum(outbound[outcome] for outcome in OUTCOMES["outbound"])
    against = change(outbound["sent"], facts.sent_yesterday)
    note = against and f"{against} against yesterday"
    return (
        _nodes(nodes),
        Tile("sent", "Sent", thousands(outbound["sent"]), unit="/h", note=note),
        Tile("delivered", "Delivered", percent(outbound["delivered"], outcomes)),
        Tile("bounced", "Bounced", percent(outbound["bounced"], outcomes)),
        queue_tile(facts.queues, now),
        completeness_tile(facts.epochs, facts.backlog if facts.is_behind else None),
    )


def _nodes(nodes: Reporting) -> Tile:
    silent = nodes.known - nodes.reporting
    return Tile(
        "nodes",
        "Nodes up",
        f"{nodes.reporting} / {nodes.known}" if nodes.known else UNKNOWN,
        note=f"{silent} silent" if silent else "",
        level=judge_reporting(nodes),
    )


def queue_tile(databases: Sequence[Database], now: datetime) -> Tile:
    """Judge what waits in all mail queues. A queue that is not read in time is stale."""
    tile = partial(Tile, "queue", "In the queues", level=judge_queues(databases, now))
    if not databases:
        return tile(UNKNOWN, note="no queue was read")
    text = thousands(sum(database.waiting for database in databases))
    if any(database.reading.is_stale(now) for database in databases):
        age = now - min(database.reading.at for database in databases)
        return tile(text, note=f"stale: read {duration(age.total_seconds())} ago")
    created_at = oldest_created_at(databases)
    oldest = now - created_at if created_at else None
    return tile(text, note=f"oldest {duration(oldest.total_seconds())}" if oldest else "")


def completeness_tile(epochs: Sequence[Completeness], unstored: Backlog | None = None) -> Tile:
    """Judge the numbered events. `unstored`: what waits to be stored and may have the numbers."""
    tile = partial(Tile, "complete", "Data")
    if unstored:
        return tile("not known yet", note=describe_unstored(unstored), level="none")
    missing = sum(epoch.missing_count for epoch in epochs)
    dropped = sum(epoch.dropped_count for epoch in epochs)
    refused = sum(epoch.refused_count for epoch in epochs)
    if not epochs:
        return tile("not known", note="no numbered events", level="none")
    counts = {"missing": missing, "refused": refused, "dropped by agents": dropped}
    texts = [f"{thousands(count)} {word}" for word, count in counts.items() if count]
    text = "complete" if not (missing or refused) else texts.pop(0)
    level = "warning" if missing or refused or dropped else "ok"
    return tile(text, note=", ".join(texts), level=level)
