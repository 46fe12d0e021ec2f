"""What is in the spool, for a person: read from beside a running agent, changing nothing."""

import sqlite3
from pathlib import Path
from typing import Any

from agent import clock
from agent.errors import SpoolError
from agent.spool.change_stream_state import read_gaps
from agent.spool.database import FAILED, SET_ASIDE, get_meta
from agent.spool.plugins import DROPPED
from agent.spool.queue import NAMES, NOT_KNOWN
from agent.spool.spool import FILE_NAME


def read_summary(directory: Path) -> dict[str, Any]:
    """Return counts, oldest, bytes and drops of the spool in `directory`. Raises SpoolError."""
    path = directory / FILE_NAME
    if not path.is_file():
        raise SpoolError(
            f"No spool at {path}: no agent has run with this state directory."
            " Set AGENT_STATE_DIR to the one it uses."
        )
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            return _summary(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise SpoolError(f"{path} cannot be read: {error}.") from error


def _summary(connection: sqlite3.Connection, path: Path) -> dict[str, Any]:
    counters = dict(connection.execute("SELECT name, value FROM counters ORDER BY name"))
    summary: dict[str, Any] = {
        "path": str(path),
        "file_bytes": sum(
            other.stat().st_size
            for suffix in ("", "-wal")
            if (other := path.with_name(path.name + suffix)).exists()
        ),
        "epoch": (get_meta(connection, "epoch") or b"").decode() or None,
    }
    for name in NAMES:
        if not _has(connection, name):
            continue
        oldest_seq, oldest_ms = _oldest(connection, name)
        summary[name] = {
            "count": counters.pop(f"{name}.count", 0),
            "bytes": counters.pop(f"{name}.bytes", 0),
            "oldest_at": None if oldest_ms is None else clock.from_ms(oldest_ms).isoformat(),
            "oldest_seq": oldest_seq,
            "sent": counters.pop(f"{name}.sent", 0),
            "dropped": counters.pop(f"{name}.dropped", 0),
            "refused": counters.pop(f"{name}.refused", 0),
        }
    (summary["held_count"],) = connection.execute("SELECT count(*) FROM held").fetchone()
    (summary["queue_documents_count"],) = connection.execute(
        "SELECT count(*) FROM documents"
    ).fetchone()
    (summary["refused_kept_count"],) = connection.execute("SELECT count(*) FROM refused").fetchone()
    for name in NAMES[2:]:
        if name in summary:
            summary[name]["not_known_to_server"] = counters.pop(f"{name}.{NOT_KNOWN}", 0)
    summary["events"]["dropped_ranges_to_tell"] = _count(connection, "dropped")
    summary["plugin"] = {
        "dropped": counters.pop(DROPPED, 0),
        "processes_count": _count(connection, "plugin_processes"),
        "heard_at": _plugin_heard_at(connection),
    }
    summary["stream_gaps"] = [
        {
            "from_at": None if gap.from_ms is None else clock.from_ms(gap.from_ms).isoformat(),
            "to_at": clock.from_ms(gap.to_ms).isoformat(),
            "reason": gap.reason,
            "lost_count": gap.lost_count,
        }
        for gap in read_gaps(connection)
    ]
    summary["damaged_files"] = sorted(
        other.name for other in path.parent.glob(f"{path.name}.damaged-*")
    )
    summary["set_aside_count"] = counters.pop(SET_ASIDE, 0)
    summary["failed_commits_count"] = counters.pop(FAILED, 0)
    summary["counters"] = counters
    return summary


def _oldest(connection: sqlite3.Connection, name: str) -> tuple[int | None, int | None]:
    """Return number and time of what waits longest."""
    for table, column in ((f"{name}_packed", "first_seq"), (name, "seq")):
        if _has(connection, table):
            row = connection.execute(
                f"SELECT {column}, at_ms FROM {table} ORDER BY {column} LIMIT 1"  # noqa: S608
            ).fetchone()
            if row is not None:
                return int(row[0]), int(row[1])
    return None, None


def _has(connection: sqlite3.Connection, table: str) -> bool:
    # The file may be that of an agent from before the table: nothing is changed here.
    row = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return row is not None


def _count(connection: sqlite3.Connection, table: str) -> int:
    if not _has(connection, table):
        return 0
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def _plugin_heard_at(connection: sqlite3.Connection) -> str | None:
    if not _has(connection, "plugin_processes"):
        return None
    (heard_ms,) = connection.execute("SELECT max(heard_ms) FROM plugin_processes").fetchone()
    return None if heard_ms is None else clock.from_ms(heard_ms).isoformat()
