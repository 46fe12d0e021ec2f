"""Which plugins were heard from, and how many events they had to drop. Durable, bounded.

A plugin tells with every POST how many it dropped since its process began; what is added here is
the difference to what that process told before. A process that tells less than before is a new one
of the same name (a container, where the process id is always the same) and is counted from 0.
"""

import sqlite3
from dataclasses import dataclass

from agent.spool.database import add

DROPPED = "plugin.dropped"
MOST_PROCESSES = 500
LONGEST_NAME = 100
MOST_DROPPED = 2**53


@dataclass(frozen=True)
class Told:
    """What one POST says of the process that sends it. `dropped`: events, since it began."""

    process: str
    dropped: int


def told(process: str | None, dropped: str | None) -> Told | None:
    """Return what the headers X-Mallard-Process and X-Mallard-Dropped say; None without a process,
    and no drops when their number is none."""
    name = "".join(c for c in (process or "").strip() if c.isprintable())[:LONGEST_NAME]
    if not name:
        return None
    text = (dropped or "").strip()
    known = text.isascii() and text.isdecimal()
    return Told(name, min(int(text[:16]), MOST_DROPPED) if known else 0)


def heard(connection: sqlite3.Connection, said: Told, now_ms: int) -> int:
    """Note that a process was heard from; return how many more events it dropped."""
    row = connection.execute(
        "SELECT dropped FROM plugin_processes WHERE process = ?", (said.process,)
    ).fetchone()
    before = int(row[0]) if row else 0
    more = said.dropped - before if said.dropped >= before else said.dropped
    connection.execute(
        "INSERT OR REPLACE INTO plugin_processes (process, dropped, heard_ms) VALUES (?, ?, ?)",
        (said.process, said.dropped, now_ms),
    )
    if row is None:
        connection.execute(
            "DELETE FROM plugin_processes WHERE process IN (SELECT process FROM plugin_processes"
            " ORDER BY heard_ms DESC LIMIT -1 OFFSET ?)",
            (MOST_PROCESSES,),
        )
    add(connection, DROPPED, more)
    return more
