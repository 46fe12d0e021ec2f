"""The lists of providers, destinations, sending IPs, sending domains and accounts. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from server.dashboard.shell.lists.links import column_href, events_href, profile_href
from server.dashboard.shell.lists.tables import Cell, Column, Table, moment, number
from server.formats import UNKNOWN, percent, thousands
from server.profiles import kinds
from server.profiles.inventory import Inventory, Row, find_rows
from server.profiles.kinds import Kind, show_name

PAGE_SIZE = 50
MAX_TEXT_CHARS, MAX_PAGE = 100, 1_000
DEFAULT_SORT = "-attempts"


@dataclass(frozen=True)
class Sort:
    """One column to sort by. `value`: of a row; None comes last, either way."""

    key: str
    label: str
    value: Callable[[Row], Any]
    is_number: bool = True
    explained: str = ""


NAME = Sort("name", "Name", lambda row: row.name, is_number=False)
COUNTS = (
    Sort("attempts", "Attempts", lambda row: row.counts.attempts, explained="in the range"),
    Sort("delivered", "Delivered", lambda row: row.counts.delivered),
    Sort("deferred", "Deferred", lambda row: row.counts.deferred),
    Sort("bounced", "Bounced", lambda row: row.counts.bounced),
    Sort("refused", "Refused", lambda row: row.counts.refused_ratio,
         explained="deferred and bounced, of the attempts"),
)  # fmt: skip
OF_IPS = (
    Sort("node", "Node", lambda row: (row.seen and row.seen.node) or None, is_number=False),
    Sort("zone", "Zone", lambda row: (row.seen and row.seen.zone) or None, is_number=False),
    Sort("hour", "1 h", lambda row: row.hour, explained="attempts of the last hour"),
    Sort("day", "24 h", lambda row: row.day, explained="attempts of the last 24 hours"),
)
LAST_OF_IPS = (
    Sort("refused_by", "Refused most by", lambda row: row.refused_count or None, is_number=False,
         explained="in the newest week of the range"),
    Sort("first", "First used", lambda row: row.seen and row.seen.first_used_at, is_number=False),
    Sort("last", "Last used", lambda row: row.seen and row.seen.last_used_at, is_number=False),
)  # fmt: skip


@dataclass(frozen=True)
class ListParams:
    """Search, order and page of a list; invalid values of the URL count as absent."""

    text: str = ""
    sort: str = DEFAULT_SORT
    page: int = 1

    def query(self, carried: Mapping[str, str], **changes: Any) -> str:
        """Return the query string with these changes, without what is the default."""
        mine = {"q": self.text, "sort": self.sort, "page": self.page} | changes
        named = {
            name: value
            for name, value in mine.items()
            if value not in ("", None)
            and (name, value) not in {("sort", DEFAULT_SORT), ("page", 1)}
        }
        return urlencode({**named, **carried})


def sorts_of(kind: Kind) -> tuple[Sort, ...]:
    """Return the columns of a kind's list, in their order."""
    return (NAME, *OF_IPS, *COUNTS, *LAST_OF_IPS) if kind is kinds.IP else (NAME, *COUNTS)


def parse_params(query: Mapping[str, str], kind: Kind) -> ListParams:
    sort, page = query.get("sort", ""), query.get("page", "1")
    known = {each.key for each in sorts_of(kind)}
    is_page = page.isascii() and page.isdecimal() and len(page) <= len(str(MAX_PAGE))
    return ListParams(
        text=query.get("q", "").strip()[:MAX_TEXT_CHARS],
        sort=sort if sort.removeprefix("-") in known else DEFAULT_SORT,
        page=min(MAX_PAGE, max(1, int(page))) if is_page else 1,
    )


def sort_rows(rows: Sequence[Row], kind: Kind, params: ListParams) -> list[Row]:
    """Return the rows in the order of the URL, equal ones by name, unknown ones last."""
    column = next(each for each in sorts_of(kind) if each.key == params.sort.removeprefix("-"))
    by_name = sorted(rows, key=lambda row: row.name)
    known = [row for row in by_name if column.value(row) is not None]
    known.sort(key=column.value, reverse=params.sort.startswith("-"))
    return known + [row for row in by_name if column.value(row) is None]


def build_table(
    inventory: Inventory, params: ListParams, carried: Mapping[str, str]
) -> tuple[Table, int]:
    """Return the page of the list that the URL asks for, and how many rows were found."""
    kind = inventory.kind
    matches = sort_rows(find_rows(inventory, params.text), kind, params)
    first = PAGE_SIZE * (params.page - 1)
    rows = [_cells(row, kind, carried) for row in matches[first : first + PAGE_SIZE]]
    columns = [_head(each, kind, params, carried) for each in sorts_of(kind)]
    note = f"the {thousands(len(inventory.rows))} largest" if inventory.is_cut else ""
    return Table("list", kind.plural_title, columns, rows, note), len(matches)


def list_orders(kind: Kind, params: ListParams) -> list[tuple[str, str]]:
    """Return the orders a menu offers: value, and words. The one in force is among them."""
    orders = [(f"-{s.key}" if s.is_number else s.key, s.label.lower()) for s in sorts_of(kind)]
    if params.sort not in dict(orders):
        label = next(s.label for s in sorts_of(kind) if s.key == params.sort.removeprefix("-"))
        orders.append((params.sort, f"{label.lower()}, reversed"))
    return orders


def _head(sort: Sort, kind: Kind, params: ListParams, carried: Mapping[str, str]) -> Column:
    is_current, is_descending = (
        params.sort.removeprefix("-") == sort.key,
        params.sort.startswith("-"),
    )
    wants_descending = not is_descending if is_current else sort.is_number
    query = params.query(carried, sort=f"{'-' * wants_descending}{sort.key}", page=1)
    state = ("descending" if is_descending else "ascending") if is_current else "none"
    label = kind.title if sort is NAME else sort.label
    return Column(label, sort.is_number, f"?{query}", state, sort.explained)


def _cells(row: Row, kind: Kind, carried: Mapping[str, str]) -> list[Cell]:
    mine = {kind.column: row.name}
    counts = row.counts
    href = profile_href(kind.key, row.name, carried)
    name = Cell(show_name(kind, row.name), href, note=row.known_as)
    numbers = [
        number(counts.attempts, events_href(carried, **mine)),
        *(
            number(getattr(counts, event_type), events_href(carried, type=event_type, **mine))
            for event_type in ("delivered", "deferred", "bounced")
        ),
        Cell(percent(counts.bounced + counts.deferred, counts.attempts)),
    ]
    if kind is not kinds.IP:
        return [name, *numbers]
    seen = row.seen
    node, zone = (seen.node, seen.zone) if seen else ("", "")
    worst = Cell(UNKNOWN)
    if row.refused_by:
        href = profile_href("provider", row.refused_by, carried)
        worst = Cell(row.refused_by, href, note=thousands(row.refused_count))
    return [
        name,
        Cell(node or UNKNOWN, column_href("mta_node", node, carried)),
        Cell(zone or UNKNOWN),
        number(row.hour),
        number(row.day),
        *numbers,
        worst,
        moment(seen.first_used_at if seen else None),
        moment(seen.last_used_at if seen else None),
    ]
