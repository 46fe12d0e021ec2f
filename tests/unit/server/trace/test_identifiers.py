"""Identifiers of messages as people paste them."""

import pytest

from server.trace.identifiers import parse_identifier

HARAKA = "5C6E9D2C-6D1F-4B6A-9C43-0A1B2C3D4E5F"


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        ("<CAF=x@mail.example>", "message_id", "<CAF=x@mail.example>"),
        (" CAF=x@mail.example\n", "message_id", "<CAF=x@mail.example>"),
        ("1A1FD92F960000A951.001", "queue_id", "1a1fd92f960000a951"),
        (f"{HARAKA}.1", "queue_id", f"{HARAKA}.1"),
        (f"{HARAKA}.1".lower(), "queue_id", f"{HARAKA}.1"),
        (HARAKA, "queue_id", HARAKA),
        (HARAKA.lower(), "event_id", HARAKA.lower()),
        ("65A1b2c3d4e5f60718293a4b", "wildduck_id", "65a1b2c3d4e5f60718293a4b"),
    ],
)
def test_an_id_is_known_by_its_form(text, column, value):
    identifier = parse_identifier(text)

    assert (identifier.column, identifier.value) == (column, value)


@pytest.mark.parametrize(
    "text", ["", "good.example", "a\0@b", "' OR 1=1", "x" * 1000 + "@y.zz", "451"]
)
def test_anything_else_is_no_id(text):
    assert parse_identifier(text) is None


def test_a_message_id_is_looked_for_with_and_without_brackets():
    assert parse_identifier("<1@a>").values == ("<1@a>", "1@a")


def test_a_long_message_id_is_looked_for_as_it_is_stored():
    assert {len(value) for value in parse_identifier(f"<{'x' * 300}@y>").values} == {255}
