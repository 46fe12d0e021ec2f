"""Headline and tiles of the queue's page: how much waits, for how long, as of when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.alerts.present.standing import NONE_STANDS, Standing
from server.alerts.queues import (
    OLDEST_WARNING,
    judge_age,
    judge_queues,
    list_stranded,
    oldest_created_at,
)
from server.formats import UNKNOWN, duration, thousands
from server.mailqueues.accounting import Database

#: So many instances of stranded mail are named in the tile; the others are only counted.
MAX_NAMED = 3


@dataclass(frozen=True)
class Tile:
    """One number. `level`: ok, warning, critical or none; `note`: what it is of, what it means."""

    key: str
    label: str
    text: str
    level: str = "ok"
    note: str = ""


@dataclass(frozen=True)
class Headline:
    """The page's first sentence and numbers. `read_at`: the oldest of the newest readings."""

    level: str
    text: str
    tiles: tuple[Tile, ...]
    read_at: datetime | None
    stale: tuple[str, ...]
    unknown: tuple[str, ...]


def build_headline(
    databases: Sequence[Database], now: datetime, standing: Standing = NONE_STANDS
) -> Headline:
    """Judge the mail queues as they were read last, each database once."""
    if not databases:
        return Headline("none", "No mail queue was read in the last 7 days", (), None, (), ())
    waiting = sum(database.waiting for database in databases)
    created_at = oldest_created_at(databases)
    oldest = now - created_at if created_at else None
    stale = tuple(_name(d) for d in databases if d.reading.is_stale(now))
    fresh = [database for database in databases if not database.reading.is_stale(now)]
    active = sum(database.reading.queue.active_count for database in databases)
    deferred = sum(database.reading.queue.deferred_count for database in databases)
    tiles = (
        Tile("waiting", "Recipients waiting", thousands(waiting)),
        Tile("active", "Due now", thousands(active)),
        Tile("deferred", "Deferred", thousands(deferred), note="due later"),
        _oldest_tile(
            oldest,
            waiting,
            is_now=created_at == oldest_created_at(fresh),
            all_report=all(d.detail for d in databases),
        ),
        _stranded_tile(databases),
    )
    text = _count_recipients(waiting) if waiting else "The queue is empty"
    if waiting and oldest is not None:
        text += f", the oldest for {duration(oldest.total_seconds())}"
    if tiles[4].level == "critical":
        text += f" · {tiles[4].text} stranded"
    if stale:
        text += f" · as last read: {', '.join(stale)} stale"
    level = judge_queues(databases, now, standing)
    read_at = min(database.reading.at for database in databases)
    return Headline(level, text, tiles, read_at, stale, tuple(_list_unknown(databases)))


def _count_recipients(count: int) -> str:
    return "1 recipient waits" if count == 1 else f"{thousands(count)} recipients wait"


def _oldest_tile(oldest: timedelta | None, waiting: int, *, is_now: bool, all_report: bool) -> Tile:
    label = "Oldest message"
    if oldest is None and waiting == 0:
        return Tile("oldest", label, "none", note="nothing waits")
    if oldest is None:
        return Tile("oldest", label, UNKNOWN, "none", "not in this reading")
    if not is_now:
        return Tile("oldest", label, duration(oldest.total_seconds()), "none", "as last read")
    level = judge_age(oldest)
    over = f"over {duration(OLDEST_WARNING.total_seconds())}" if level != "ok" else ""
    note = "; ".join(filter(None, [over, "" if all_report else "of the databases that report it"]))
    return Tile("oldest", label, duration(oldest.total_seconds()), level, note)


def _stranded_tile(databases: Sequence[Database]) -> Tile:
    """Mail of an instance that no living agent claims is not sent: it counts, however little."""
    label, shares = "Stranded", list_stranded(databases)
    if all(database.stranded is None for database in databases):
        return Tile("stranded", label, UNKNOWN, "none", "not known, see below")
    if not shares:
        return Tile("stranded", label, "0", note="of instances no living agent claims")
    count = sum(share.count or 0 for share in shares)
    names = [share.instance or UNKNOWN for share in shares]
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    note = f"at {', '.join(names[:MAX_NAMED])}{more}: no living ZoneMTA sends it"
    return Tile("stranded", label, thousands(count), "critical", note)


def _list_unknown(databases: Sequence[Database]) -> list[str]:
    """Return what is not known of the queue, and what to do."""
    sentences = []
    for database in databases:
        silent = [share.node for share in database.shares if share.count is None and share.node]
        if database.reading.queue.source == "api":
            sentences.append(
                f"{_name(database)} was read from ZoneMTA's API, which has totals and zones"
                " alone: give its agent AGENT_ZONEMTA_MONGODB_URI for the rest."
            )
        elif silent:
            sentences.append(
                f"Which share of {_name(database)} waits at {', '.join(silent)} is not known:"
                " its agent does not report an instance of its own."
            )
        if database.unclaimed:
            total = sum(share.count or 0 for share in database.unclaimed)
            names = ", ".join(share.instance or UNKNOWN for share in database.unclaimed)
            sentences.append(
                f"{_count_recipients(total)} at instances no agent calls its own ({names}):"
                " stranded, or of a node whose agent does not report its instance."
            )
    return sentences


def _name(database: Database) -> str:
    return database.name or f"the queue of {', '.join(database.nodes)}"
