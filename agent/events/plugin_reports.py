"""Reports of the plugins' processes: the last of each, and how many events they had to drop.
Durable, bounded.

A plugin sends with every POST how many events it dropped since its process began; the difference to
what that process sent before is added. A process that sends less than before is a new one of the
same name (a container, where the process id is always the same) and is counted from 0.
"""

from dataclasses import dataclass

from agent.spool import PLUGIN_DROPPED, Transaction

MAX_PROCESSES = 500
MAX_NAME_CHARS = 100
MAX_DROPPED = 2**53


@dataclass(frozen=True)
class PluginReport:
    """The process a POST comes from. `dropped`: events, since it began."""

    process: str
    dropped: int


def parse_report(process: str | None, dropped: str | None) -> PluginReport | None:
    """Return the headers X-Mallard-Process and X-Mallard-Dropped; None without a process, and no
    drops when their number is invalid."""
    name = "".join(c for c in (process or "").strip() if c.isprintable())[:MAX_NAME_CHARS]
    if not name:
        return None
    text = (dropped or "").strip()
    is_number = text.isascii() and text.isdecimal()
    return PluginReport(name, min(int(text[:16]), MAX_DROPPED) if is_number else 0)


def record_report(tx: Transaction, report: PluginReport, now_ms: int) -> int:
    """Store the report; return how many more events its process dropped."""
    row = tx.execute(
        "SELECT dropped FROM plugin_processes WHERE process = ?", (report.process,)
    ).fetchone()
    before = int(row[0]) if row else 0
    more = report.dropped - before if report.dropped >= before else report.dropped
    tx.execute(
        "INSERT OR REPLACE INTO plugin_processes (process, dropped, heard_ms) VALUES (?, ?, ?)",
        (report.process, report.dropped, now_ms),
    )
    if row is None:
        tx.execute(
            "DELETE FROM plugin_processes WHERE process IN (SELECT process FROM plugin_processes"
            " ORDER BY heard_ms DESC LIMIT -1 OFFSET ?)",
            (MAX_PROCESSES,),
        )
    tx.add(PLUGIN_DROPPED, more)
    return more
