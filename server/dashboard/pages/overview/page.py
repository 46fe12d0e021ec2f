"""The page Overview: big numbers, and destinations that refuse mail. Pure but for `yesterday`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from server.alerts.problems import Facts, oldest
from server.dashboard.pages.queue.page import OLDEST_CRITICAL, OLDEST_WARNING
from server.dashboard.shell.formats import UNKNOWN, change, duration, percent, thousands
from server.ledger.queries import Completeness
from server.mailqueues.accounting import Database
from server.rollups.levels import ONE_MINUTE
from server.rollups.mail.failing_destinations import Destination
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import totals

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Judged:
    """Words about a fact, and whether it is good: ok, warning, critical, or none when unknown."""

    text: str
    note: str
    level: str


@dataclass(frozen=True)
class Tile:
    """One big number. `level` as of Judged; empty for what has no judgement."""

    name: str
    label: str
    text: str
    unit: str = ""
    note: str = ""
    level: str = ""


def overview_json(facts: Facts, before: dict[str, int] | None, *, now: datetime) -> dict[str, Any]:
    """Return what the page says beside the live totals, as its script gets it too."""
    return {
        **facts.told(),
        "at": now.isoformat(),
        "completeness": asdict(completeness(facts.epochs)),
        "queue": asdict(queue(facts.queues, now)),
        "destinations": [_destination(each) for each in facts.destinations],
        "yesterday": before,
    }


def tiles(totals: dict[str, Any], found: dict[str, Any]) -> list[Tile]:
    """Return the big numbers of the first paint; overview.js paints the same ones anew."""
    nodes, hour = totals["nodes"], totals["hour"]["outbound"]
    against = change(hour["sent"], (found["yesterday"] or {}).get("sent"))
    decided = hour["delivered"] + hour["bounced"] + hour["deferred"]
    silent = nodes["known"] - nodes["reporting"]
    return [
        Tile(
            "nodes",
            "Nodes up",
            f"{nodes['reporting']} / {nodes['known']}" if nodes["known"] else UNKNOWN,
            note=f"{silent} silent" if silent else "",
            level="critical" if silent else "ok" if nodes["known"] else "none",
        ),
        Tile(
            "sent",
            "Sent",
            thousands(hour["sent"]),
            unit="/h",
            note=against and f"{against} against yesterday",
        ),
        Tile("delivered", "Delivered", percent(hour["delivered"], decided)),
        Tile("bounced", "Bounced", percent(hour["bounced"], decided)),
        Tile("queue", "In the queues", **found["queue"]),
        Tile("complete", "Data, 24 h", **found["completeness"]),
    ]


def queue(databases: Sequence[Database], now: datetime) -> Judged:
    """Judge what waits in all mail queues. What was not read again in time says so."""
    if not databases:
        return Judged(UNKNOWN, "no queue was read", "none")
    text = thousands(sum(database.waiting for database in databases))
    if any(database.reading.is_stale(now) for database in databases):
        read = now - min(database.reading.at for database in databases)
        return Judged(text, f"stale: read {duration(read.total_seconds())} ago", "none")
    waits = oldest(databases, now)
    level = "ok"
    if waits and waits > OLDEST_WARNING:
        level = "critical" if waits > OLDEST_CRITICAL else "warning"
    return Judged(text, f"oldest {duration(waits.total_seconds())}" if waits else "", level)


def completeness(epochs: Sequence[Completeness]) -> Judged:
    """Judge the ledger."""
    missing = sum(epoch.missing_count for epoch in epochs)
    dropped = sum(epoch.dropped_count for epoch in epochs)
    note = f"{thousands(dropped)} dropped by agents" if dropped else ""
    if not epochs:
        return Judged("not known", "no numbered events", "none")
    if missing:
        return Judged(f"{thousands(missing)} missing", note, "critical")
    return Judged("complete", note, "warning" if dropped else "ok")


def yesterday(now: datetime) -> dict[str, int] | None:
    """Return what was sent in the same 60 minutes a day ago; None when there was nothing."""
    start = now.replace(second=0, microsecond=0) - DAY - HOUR
    query = LevelQuery(ONE_MINUTE, (start, start + HOUR + MINUTE), "outbound")
    sent = sum(count for _, count in totals(query, event_type="sent"))
    return {"sent": sent} if sent else None


def _destination(each: Destination) -> dict[str, Any]:
    return {
        "domain": each.domain,
        "attempts": each.attempts,
        "delivered": each.delivered,
        "deferred": each.deferred,
        "bounced": each.bounced,
        "failed_percent": percent(each.deferred + each.bounced, each.attempts),
        "since": each.since and each.since.isoformat(),
        "words": each.words,
    }
