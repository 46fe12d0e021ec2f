"""The page Overview: what needs somebody, made from facts of other rooms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from server.dashboard.formats import UNKNOWN, change, duration, percent, thousands
from server.dashboard.queue_page import OLDEST_CRITICAL, OLDEST_WARNING
from server.ledger import queries as ledger
from server.ledger.queries import Completeness
from server.mailqueues import queries as mailqueues
from server.mailqueues.accounting import Database, counted_once
from server.rollups import trouble
from server.rollups.declaration import ONE_MINUTE
from server.rollups.queries import Over, totals
from server.rollups.trouble import Destination

#: How far back completeness is looked at.
LEDGER_HOURS = 24
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Complete:
    """Did everything arrive that agents numbered? Not `known` while no agent numbers events."""

    known: bool
    missing: int
    dropped: int
    text: str
    level: str


@dataclass(frozen=True)
class Waiting:
    """How much mail waits, as it was read last; `oldest_s` is None where that was not read."""

    text: str
    note: str
    level: str
    oldest_s: float | None


@dataclass(frozen=True)
class Tile:
    """One big number. `level`: ok, warning, critical, none; empty for what has no judgement."""

    name: str
    label: str
    text: str
    unit: str = ""
    note: str = ""
    level: str = ""


def tiles(totals: dict[str, Any], found: dict[str, Any]) -> list[Tile]:
    """Return the big numbers of the first paint; overview.js paints the same ones anew. Pure."""
    nodes, hour = totals["nodes"], totals["hour"]["outbound"]
    against = change(hour["sent"], (found["yesterday"] or {}).get("sent"))
    decided = hour["delivered"] + hour["bounced"] + hour["deferred"]
    silent = nodes["known"] - nodes["reporting"]
    complete, queue = found["completeness"], found["queue"]
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
        Tile("queue", "In the queues", queue["text"], note=queue["note"], level=queue["level"]),
        Tile("complete", "Data, 24 h", complete["text"], level=complete["level"]),
    ]


def facts(now: datetime) -> dict[str, Any]:
    """Return what the page says beside the live totals, as its script gets it too.

    Asks the database six questions at most.
    """
    waiting = queue(counted_once(mailqueues.newest_readings(now), now), now)
    destinations = trouble.destinations(now)
    epochs = ledger.completeness(now - timedelta(hours=LEDGER_HOURS))
    complete = completeness(epochs)
    return {
        "at": now.isoformat(),
        "findings": findings(destinations, epochs, waiting),
        "complete": complete.missing == 0 if complete.known else None,
        "completeness": {
            "text": complete.text,
            "level": complete.level,
            "dropped": complete.dropped,
        },
        "queue": {"text": waiting.text, "note": waiting.note, "level": waiting.level},
        "destinations": [_destination(each) for each in destinations],
        "yesterday": yesterday(now),
    }


def findings(
    destinations: Iterable[Destination], epochs: Iterable[Completeness], waiting: Waiting
) -> list[dict[str, Any]]:
    """Return what needs somebody, the most pressing first. Pure.

    `kind`: destination (domain, verb, since, words), missing (node, count), queue (oldest_s).
    """
    found: list[dict[str, Any]] = [
        {
            "kind": "destination",
            "domain": each.domain,
            "verb": "bounces" if each.bounced > each.deferred else "defers",
            "since": each.since.isoformat(),
            "words": each.words,
        }
        for each in destinations
        if each.since
    ]
    missing: dict[str, int] = {}
    for epoch in epochs:
        missing[epoch.node] = missing.get(epoch.node, 0) + epoch.missing_count
    found += [
        {"kind": "missing", "node": node, "count": count}
        for node, count in sorted(missing.items(), key=lambda item: -item[1])
        if count
    ]
    if waiting.level in {"warning", "critical"} and waiting.oldest_s is not None:
        found.append({"kind": "queue", "oldest_s": waiting.oldest_s})
    return found


def queue(databases: Sequence[Database], now: datetime) -> Waiting:
    """Judge what waits in all mail queues. Pure. What was not read again in time says so."""
    if not databases:
        return Waiting(UNKNOWN, "no queue was read", "none", None)
    text = thousands(sum(database.waiting for database in databases))
    details = [database.detail[1] for database in databases if database.detail]
    created = [detail.oldest_created_at for detail in details if detail.oldest_created_at]
    oldest = now - min(created) if created else None
    oldest_s = oldest.total_seconds() if oldest else None
    note = f"oldest {duration(oldest_s)}" if oldest_s is not None else ""
    if any(database.reading.is_stale(now) for database in databases):
        read = now - min(database.reading.at for database in databases)
        return Waiting(text, f"stale: read {duration(read.total_seconds())} ago", "none", oldest_s)
    level = "ok"
    if oldest and oldest > OLDEST_WARNING:
        level = "critical" if oldest > OLDEST_CRITICAL else "warning"
    return Waiting(text, note, level, oldest_s)


def completeness(epochs: Sequence[Completeness]) -> Complete:
    """Judge the ledger. Pure."""
    missing = sum(epoch.missing_count for epoch in epochs)
    dropped = sum(epoch.dropped_count for epoch in epochs)
    if not epochs:
        return Complete(False, 0, 0, "not known", "none")
    if missing:
        return Complete(True, missing, dropped, f"{thousands(missing)} missing", "critical")
    if dropped:
        return Complete(True, 0, dropped, f"{thousands(dropped)} dropped", "warning")
    return Complete(True, 0, 0, "complete", "ok")


def yesterday(now: datetime) -> dict[str, int] | None:
    """Return outbound events by type of the same 60 minutes a day ago; None when there are none."""
    start = now.replace(second=0, microsecond=0) - DAY - HOUR
    over = Over(ONE_MINUTE, (start, start + HOUR + MINUTE), "outbound")
    by_type = {
        kind: sum(count for _, count in totals(over, event_type=kind))
        for kind in ("sent", "delivered")
    }
    return by_type if any(by_type.values()) else None


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
