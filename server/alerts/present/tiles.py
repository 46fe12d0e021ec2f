"""The big numbers of the overview, each with its judgement. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from server.alerts.backlog import describe_unstored
from server.alerts.nodes import worst_level
from server.alerts.present.problems import Facts
from server.alerts.present.sentence import Silence
from server.alerts.present.standing import NONE_STANDS, Standing
from server.alerts.queues import judge_queues, oldest_created_at
from server.events.vocabulary import OUTCOMES
from server.formats import UNKNOWN, change, duration, percent, thousands
from server.ledger.queries import Completeness
from server.mailqueues.accounting import Database
from server.nodes.queries import Reporting
from server.observability.backlog import Backlog
from server.rollups.mail.queries import HourTotals

#: Conditions of the tile of completeness.
LOSSES = ("events_missing", "events_dropped")


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
    against = change(outbound["sent"], facts.sent_yesterday)
    note = against and f"{against} against yesterday"
    standing = facts.standing
    return (
        _nodes(nodes, standing),
        Tile("sent", "Sent", thousands(outbound["sent"]), unit="/h", note=note),
        _outcome_tile("delivered", outbound, standing, ("nothing_delivered", "delivery_slow")),
        _outcome_tile("bounced", outbound, standing, ("bounce_share",)),
        queue_tile(facts.queues, now, standing),
        completeness_tile(facts.epochs, facts.backlog if facts.is_behind else None, standing),
    )


def _outcome_tile(
    outcome: str, outbound: Mapping[str, int], standing: Standing, conditions: tuple[str, ...]
) -> Tile:
    """Return the share of an outcome. Its level is that of its alerts, and empty without one."""
    total = sum(outbound[each] for each in OUTCOMES["outbound"])
    text, note = percent(outbound[outcome], total), describe_handled(standing, conditions)
    level = standing.level_of(conditions)
    return Tile(outcome, outcome.capitalize(), text, note=note, level=level)


def describe_handled(standing: Standing, conditions: tuple[str, ...]) -> str:
    """Return why what is found needs nobody; empty where something does, or nothing is found."""
    findings = standing.find(conditions)
    return findings[0].handled if findings and all(each.handled for each in findings) else ""


def _nodes(nodes: Reporting, standing: Standing) -> Tile:
    silent = nodes.known - nodes.reporting
    silence = Silence.of(standing, nodes)
    handled = [silence.why[name] for name, _ in nodes.silent if name in silence.why]
    note = f"{silent} silent" if silent else ""
    if handled and len(handled) == silent:
        note += f", {handled[0]}"
    return Tile(
        "nodes",
        "Nodes up",
        f"{nodes.reporting} / {nodes.known}" if nodes.known else UNKNOWN,
        note=note,
        level=silence.judge(nodes),
    )


def queue_tile(
    databases: Sequence[Database], now: datetime, standing: Standing = NONE_STANDS
) -> Tile:
    """Judge what waits in all mail queues. A queue that is not read in time is stale."""
    level = judge_queues(databases, now, standing)
    tile = partial(Tile, "queue", "In the queues", level=level)
    if not databases:
        return tile(UNKNOWN, note="no queue was read")
    text = thousands(sum(database.waiting for database in databases))
    if any(database.reading.is_stale(now) for database in databases):
        age = now - min(database.reading.at for database in databases)
        return tile(text, note=f"stale: read {duration(age.total_seconds())} ago")
    created_at = oldest_created_at(databases)
    oldest = now - created_at if created_at else None
    return tile(text, note=f"oldest {duration(oldest.total_seconds())}" if oldest else "")


def completeness_tile(
    epochs: Sequence[Completeness],
    unstored: Backlog | None = None,
    standing: Standing = NONE_STANDS,
) -> Tile:
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
    levels = {
        standing.level_of(LOSSES) or "ok",
        "warning" if missing or refused or dropped else "ok",
    }
    return tile(text, note=", ".join(texts), level=worst_level(levels))
