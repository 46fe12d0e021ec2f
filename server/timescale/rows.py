"""Rows of a query, by Django's connection."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection


def fetch_rows(
    statement: str, values: Mapping[str, Any] | Sequence[Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows. Raises django.db.Error."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
