"""Progress, tables and percentiles: for people on standard error, results on standard output."""

import sys
from collections import Counter
from collections.abc import Sequence


def report_progress(text: str) -> None:
    """Print to standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def compute_percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value that `share` (0..1) of `values` do not exceed; None when there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def format_table(rows: Sequence[Sequence[object]], *, left: int = 0) -> str:
    """Return aligned columns: the first `left` to the left, the others to the right."""
    cells = [[format_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n < left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def format_cell(value: object) -> str:
    """Return a cell's text: thousands apart, and a dash where there is no value."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def format_counts(counter: Counter[str]) -> str:
    """Return counts by name on one line."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) or "none"
