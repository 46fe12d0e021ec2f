"""Summary of the spool: for the agent's own sample, and for a person beside a running agent."""

from pathlib import Path
from typing import Any

from agent import clock
from agent.errors import SpoolError
from agent.samples import SpoolHealth
from agent.spool.compression import CompressedBlocks
from agent.spool.database import open_read_only
from agent.spool.items import Items
from agent.spool.postponed import PostponedItems
from agent.spool.schema import (
    FAILED_COMMITS,
    FILE_NAME,
    NOT_KNOWN,
    PLUGIN_DROPPED,
    QUEUES,
    SET_ASIDE,
)
from agent.spool.stream_position import read_gaps
from agent.spool.transaction import Transaction


def read_health(tx: Transaction, *, limit_bytes: int) -> SpoolHealth:
    """Return the figures of the spool. `limit_bytes`: bound of its events. Cheap: counters, and the
    first row of three tables."""
    counters = tx.counters()
    _, oldest_ms = _oldest(tx, "events")
    samples = QUEUES[1:]
    return SpoolHealth(
        spooled_events_count=counters.get("events.count", 0),
        spooled_samples_count=sum(counters.get(f"{name}.count", 0) for name in samples),
        oldest_event_at=None if oldest_ms is None else clock.from_ms(oldest_ms),
        spool_bytes=sum(counters.get(f"{name}.bytes", 0) for name in QUEUES),
        spool_limit_bytes=limit_bytes,
        dropped_events_total=counters.get("events.dropped", 0),
        dropped_samples_total=sum(counters.get(f"{name}.dropped", 0) for name in samples),
        plugin_dropped_total=counters.get(PLUGIN_DROPPED, 0),
        refused_events_total=counters.get("events.refused", 0)
        + counters.get("receiver.refused", 0),
    )


def read_summary(directory: Path) -> dict[str, Any]:
    """Return counts, oldest, bytes and drops of the spool in `directory`. Raises SpoolError."""
    path = directory / FILE_NAME
    try:
        is_there = path.is_file()
    except OSError as error:
        raise SpoolError(
            f"{path} cannot be read ({error.strerror}). Run this as the agent's user, or as root."
        ) from error
    if not is_there:
        raise SpoolError(
            f"No spool at {path}: no agent has run with this state directory."
            " Set AGENT_STATE_DIR to the one it uses."
        )
    with open_read_only(path) as tx:
        return _summary(tx, path)


def _summary(tx: Transaction, path: Path) -> dict[str, Any]:
    counters = tx.counters()
    summary: dict[str, Any] = {
        "path": str(path),
        "file_bytes": sum(
            other.stat().st_size
            for suffix in ("", "-wal")
            if (other := path.with_name(path.name + suffix)).exists()
        ),
        "epoch": tx.epoch() or None,
    }
    for name in QUEUES:
        if not _has_table(tx, name):
            continue
        oldest_seq, oldest_ms = _oldest(tx, name)
        summary[name] = {
            "count": counters.pop(f"{name}.count", 0),
            "bytes": counters.pop(f"{name}.bytes", 0),
            "oldest_at": None if oldest_ms is None else clock.from_ms(oldest_ms).isoformat(),
            "oldest_seq": oldest_seq,
            "sent": counters.pop(f"{name}.sent", 0),
            "dropped": counters.pop(f"{name}.dropped", 0),
            "refused": counters.pop(f"{name}.refused", 0),
        }
        if name in QUEUES[2:]:
            summary[name]["not_known_to_server"] = counters.pop(f"{name}.{NOT_KNOWN}", 0)
    summary["held_count"] = _count(tx, "held")
    summary["queue_documents_count"] = _count(tx, "documents")
    summary["refused_kept_count"] = _count(tx, "refused")
    summary["events"]["postponed"] = _count(tx, "events_postponed")
    summary["events"]["dropped_ranges_to_tell"] = _count(tx, "dropped")
    summary["plugin"] = {
        "dropped": counters.pop(PLUGIN_DROPPED, 0),
        "processes_count": _count(tx, "plugin_processes"),
        "heard_at": _last_plugin_report(tx),
    }
    summary["stream_gaps"] = _gaps(tx, "stream")
    summary["wildduck_gaps"] = _gaps(tx, "wildduck")
    summary["damaged_files"] = sorted(
        other.name for other in path.parent.glob(f"{path.name}.damaged-*")
    )
    summary["set_aside_count"] = counters.pop(SET_ASIDE, 0)
    summary["failed_commits_count"] = counters.pop(FAILED_COMMITS, 0)
    summary["counters"] = counters
    return summary


def _gaps(tx: Transaction, stream: str) -> list[dict[str, Any]]:
    return [
        {
            "from_at": None if gap.from_ms is None else clock.from_ms(gap.from_ms).isoformat(),
            "to_at": clock.from_ms(gap.to_ms).isoformat(),
            "reason": gap.reason,
            "lost_count": gap.lost_count,
        }
        for gap in read_gaps(tx, stream)
    ]


def _oldest(tx: Transaction, name: str) -> tuple[int | None, int | None]:
    """Return number and time of the oldest item."""
    for store in (PostponedItems(name), CompressedBlocks(name), Items(name)):
        if _has_table(tx, store.table) and (oldest := store.oldest(tx)):
            return oldest
    return None, None


def _has_table(tx: Transaction, table: str) -> bool:
    # The file may be that of an agent from before the table: nothing is changed here.
    row = tx.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return row is not None


def _count(tx: Transaction, table: str) -> int:
    if not _has_table(tx, table):
        return 0
    return int(tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def _last_plugin_report(tx: Transaction) -> str | None:
    if not _has_table(tx, "plugin_processes"):
        return None
    (heard_ms,) = tx.execute("SELECT max(heard_ms) FROM plugin_processes").fetchone()
    return None if heard_ms is None else clock.from_ms(heard_ms).isoformat()
