"""docs/events.md is the table of event fields, generated from the wire format."""

import os
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from server.events.columns import COLUMNS
from server.events.wire import Event
from tests.paths import ROOT

FILE = ROOT / "docs/events.md"
REWRITE = "EVENTS_DOCUMENT=rewrite make test ARGS='-n0 -k events_document'"
TABLE_HEAD = "| field | values | meaning |\n|---|---|---|\n"
NAME_OF_TYPE = {
    "timestamptz": "time", "uuid": "UUID", "inet": "IP address", "boolean": "true, false",
    "smallint": "integer, 200 to 599", "integer": "integer ≥ 0", "bigint": "integer ≥ 0",
    "double precision": "number", "text[]": "list of text",
}  # fmt: skip


def values(name: str, sql_type: str, max_chars: int) -> str:
    """Return the values of a field, for people."""
    hint = get_type_hints(Event)[name]
    for choice in (hint, *get_args(hint)):
        if get_origin(choice) is Literal:
            return " ".join(f"`{value}`" for value in get_args(choice))
    if max_chars:
        return f"text, {max_chars} characters"
    return NAME_OF_TYPE[sql_type.removesuffix(" NOT NULL")]


def document() -> str:
    """Return docs/events.md with the table of fields as it should be; the text around it stays."""
    before, _, after = FILE.read_text().partition(TABLE_HEAD)
    _, _, after = after.partition("\n\n")
    rows = (
        f"| `{name}` | {values(name, sql_type, max_chars)} | {meaning} |\n"
        for name, sql_type, max_chars, meaning in COLUMNS
    )
    return f"{before}{TABLE_HEAD}{''.join(rows)}\n{after}"


def test_the_events_document_is_what_the_wire_format_declares():
    if os.environ.get("EVENTS_DOCUMENT") == "rewrite":
        FILE.write_text(document())
    assert FILE.read_text() == document(), f"docs/events.md differs: {REWRITE}"


def test_every_field_has_a_column_but_the_aliases_of_the_time():
    optional: dict[str, Any] = get_type_hints(Event)

    assert set(optional) - {column.name for column in COLUMNS} == {"timestamp", "time"}
    for column in COLUMNS:
        is_nullable = NoneType in get_args(optional[column.name])
        assert is_nullable or column.type.endswith("NOT NULL")
