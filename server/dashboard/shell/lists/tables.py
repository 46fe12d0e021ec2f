"""Tables that the server renders: cells that lead somewhere, columns one can sort by. Pure.

shell/lists/data_table.html shows one; shell/lists/sorting.js lets a reader sort it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from server.formats import UNKNOWN, thousands

ROW_HEAD = '<th scope="row" data-label="{}" data-sort="{}">{}</th>'
NUMBER = '<td class="number" data-label="{}" data-sort="{}">{}</td>'
TEXT = '<td data-label="{}" data-sort="{}">{}</td>'
DAY = '<time datetime="{}">{}</time>'
TIME = '<time data-time datetime="{}">{}</time>'
LINK = '<a href="{}">{}</a>'
NOTE = ' <span class="quiet small">{}</span>'


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
    def body(self) -> SafeString:
        """The rows as HTML. A template took a tenth of a millisecond for each of 700 cells, and
        `format_html` half of the rest: it looks at the kind of what was escaped already."""
        labels = [escape(column.label) for column in self.columns]
        frames = [NUMBER if column.is_number else TEXT for column in self.columns]
        frames[:1] = [ROW_HEAD]
        return SafeString("\n".join(_render(row, frames, labels) for row in self.rows))


def _render(row: Sequence[Cell], frames: Sequence[str], labels: Sequence[str]) -> str:
    """Return a row. `frames`, `labels`: of its cells, as HTML."""
    name, *_ = row
    sorts = [name.sort or name.text, *(cell.sort for cell in row[1:])]
    cells = (
        frame.format(label, escape(str(sort)), render_cell(cell))
        for frame, label, sort, cell in zip(frames, labels, sorts, row, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def render_cell(cell: Cell) -> SafeString:
    """Return what is in a cell as HTML: all of its words escaped here."""
    note = NOTE.format(escape(cell.note)) if cell.note else ""
    return SafeString(_render_content(cell) + note)


def _render_content(cell: Cell) -> str:
    if cell.is_reply:
        return render_to_string("dashboard/shell/reply.html", {"reply": cell.text})
    if cell.at:
        at = cell.at.astimezone(UTC)
        shown = f"{at:%Y-%m-%d}" if cell.is_day else f"{at:%Y-%m-%d %H:%M} UTC"
        return (DAY if cell.is_day else TIME).format(cell.at.isoformat(), shown)
    text = escape(cell.text)
    return LINK.format(escape(cell.href), text) if cell.href else f"<span>{text}</span>"


def number(count: int | None, href: str = "") -> Cell:
    return Cell(thousands(count), href if count else "", -1 if count is None else count)


def moment(at: datetime | None, *, is_day: bool = False) -> Cell:
    if at is None:
        return Cell(UNKNOWN, sort="")
    return Cell(at=at, sort=at.isoformat(), is_day=is_day)
