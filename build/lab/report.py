"""Percentiles, and tables of results."""

from collections.abc import Sequence


def compute_percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value that `share` (0..1) of `values` do not exceed, to a tenth; None without."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return round(ordered[min(last, int(share * len(ordered)))], 1) if ordered else None


def format_table(rows: Sequence[Sequence[object]]) -> str:
    """Return aligned columns: those of text to the left, those with numbers to the right."""
    columns = []
    for values in zip(*rows, strict=True):
        cells = [format_cell(value) for value in values]
        align = str.ljust if all(isinstance(value, str) for value in values) else str.rjust
        columns.append([align(cell, max(map(len, cells))) for cell in cells])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def format_cell(value: object) -> str:
    """Return a cell's text: thousands apart, and a dash where there is no value."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
