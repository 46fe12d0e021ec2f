"""The spool's file as its users see it, for as long as they hold its lock."""

import sqlite3
from collections.abc import Callable


class Transaction:
    """Statements, durable counters and named values on the one connection.

    `Database.begin` commits all of it or nothing; `Database.read` gives one for reading only.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.execute = connection.execute
        self.execute_many = connection.executemany
        #: Called with whether it was committed, before another transaction can begin.
        self.on_end: list[Callable[[bool], None]] = []
        #: Called after the commit, when others may use the file again.
        self.on_commit: list[Callable[[], None]] = []

    def add(self, counter: str, amount: int) -> None:
        if amount:
            self.execute(
                "INSERT INTO counters VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                (counter, amount),
            )

    def counter(self, name: str) -> int:
        """Return a durable counter, 0 when it never counted."""
        row = self.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def counters(self) -> dict[str, int]:
        return dict(self.execute("SELECT name, value FROM counters ORDER BY name"))

    def meta(self, name: str) -> bytes | None:
        rows = self.execute("SELECT CAST(value AS BLOB) FROM meta WHERE name = ?", (name,))
        row: tuple[bytes] | None = rows.fetchone()
        return row[0] if row else None

    def set_meta(self, name: str, value: bytes | None) -> None:
        """Store `value` under `name`; None removes it."""
        if value is None:
            self.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def epoch(self) -> str:
        """Return the random name of this file's numbering."""
        return (self.meta("epoch") or b"").decode()
