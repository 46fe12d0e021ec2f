"""Which numbers will never be sent. The server is told, so that a gap it sees is an explained one.

Every function works in the caller's transaction: what is dropped and the note of it are on disk
together, or neither is.
"""

import sqlite3
from collections.abc import Iterable

from agent.spool.database import add

# What one envelope may carry. Oldest drops of all are at the old end, so they join into one range;
# this many need as many separate batches that the server refused as a whole.
MOST_RANGES = 1000

# First and last number, both included.
Ranges = tuple[tuple[int, int], ...]


def declare(connection: sqlite3.Connection, first: int, last: int) -> None:
    """Note that `first` to `last` will never be sent. Joins what touches, never across a number
    that was not dropped; beyond MOST_RANGES the oldest ranges are forgotten, and counted."""
    touching = "FROM dropped WHERE first_seq <= ? AND last_seq >= ?"
    reach = (last + 1, first - 1)
    lowest, highest = connection.execute(
        f"SELECT min(first_seq), max(last_seq) {touching}", reach
    ).fetchone()
    if lowest is not None:
        connection.execute(f"DELETE {touching}", reach)
        first, last = min(first, lowest), max(last, highest)
    connection.execute("INSERT INTO dropped VALUES (?, ?)", (first, last))
    over = connection.execute(
        "SELECT first_seq, last_seq FROM dropped ORDER BY first_seq DESC LIMIT -1 OFFSET ?",
        (MOST_RANGES,),
    ).fetchall()
    for oldest_first, oldest_last in over:
        connection.execute("DELETE FROM dropped WHERE first_seq = ?", (oldest_first,))
        add(connection, "events.dropped_untold", oldest_last - oldest_first + 1)


def declared(connection: sqlite3.Connection) -> Ranges:
    """Return the ranges the server was not yet told of, oldest first."""
    rows = connection.execute("SELECT first_seq, last_seq FROM dropped ORDER BY first_seq")
    return tuple((int(first), int(last)) for first, last in rows)


def forget(connection: sqlite3.Connection, told: Iterable[tuple[int, int]]) -> None:
    """Forget what the server was told. A range that has grown meanwhile keeps what is new."""
    for first, last in told:
        inside = "FROM dropped WHERE first_seq <= ? AND last_seq >= ?"
        for kept_first, kept_last in connection.execute(
            f"SELECT first_seq, last_seq {inside}", (last, first)
        ).fetchall():
            connection.execute("DELETE FROM dropped WHERE first_seq = ?", (kept_first,))
            left = [(kept_first, first - 1), (last + 1, kept_last)]
            connection.executemany(
                "INSERT INTO dropped VALUES (?, ?)", [part for part in left if part[0] <= part[1]]
            )
