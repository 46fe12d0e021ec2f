"""Tables that the server renders: cells that lead somewhere, columns one can sort by. Pure.

shell/lists/data_table.html shows one; shell/lists/sorting.js lets a reader sort it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from server.formats import UNKNOWN, thousands


@dataclass(frozen=True)
class Cell:
    """One cell. `sort`: what it is ordered by, if not by its text. `at`: a time instead of a text;
    `is_day`: of which only the day is known. `is_reply`: words of a remote server."""

    text: str = ""
    href: str = ""
    sort: float | str = ""
    at: datetime | None = None
    is_day: bool = False
    is_reply: bool = False
    note: str = ""


@dataclass(frozen=True)
class Column:
    """One column. `sort`: how the list is ordered by it now, as aria-sort has it."""

    label: str
    is_number: bool = False
    href: str = ""
    sort: str = ""
    explained: str = ""


@dataclass(frozen=True)
class Table:
    """One table. `note`: what it is of; `empty`: words for when it has no rows; `width`: of the
    grid's twelve columns."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    empty: str = ""
    width: int = 12

    @property
    def lines(self) -> list[list[tuple[Column, Cell]]]:
        """The rows, each cell with its column."""
        return [list(zip(self.columns, row, strict=True)) for row in self.rows]


def number(count: int | None, href: str = "") -> Cell:
    return Cell(thousands(count), href if count else "", -1 if count is None else count)


def moment(at: datetime | None, *, is_day: bool = False) -> Cell:
    if at is None:
        return Cell(UNKNOWN, sort="")
    return Cell(at=at, sort=at.isoformat(), is_day=is_day)
