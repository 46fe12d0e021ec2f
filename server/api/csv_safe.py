"""Cells of a CSV file that a spreadsheet takes for text and numbers only. Pure."""

import json
from datetime import datetime
from typing import Any

#: A cell that begins with one of these is run as a formula by spreadsheets, and strangers choose
#: what stands in a mail. A leading apostrophe makes it text.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def csv_cell(value: Any) -> Any:
    """Return what to hand to csv.writer."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    text = json.dumps(value) if isinstance(value, list) else str(value)
    # Spreadsheets skip spaces in front.
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
