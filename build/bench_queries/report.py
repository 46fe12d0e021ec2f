"""The figures as a table for people and as one line of JSON for programs."""

import json
from collections.abc import Iterable, Sequence

from build.bench_queries.measure import Asked
from build.bench_queries.questions import BUDGETS_MS

HEAD = ("kind", "question", "p50 ms", "p95 ms", "CPU ms", "SQL ms", "rows read", "plan")


def as_json(asked: Sequence[Asked], *, raw_rows: int) -> str:
    """Return one line: the slowest question's p95 of each kind."""
    worst = {
        f"{kind}_p95_ms": round(max(a.p95_ms for a in asked if a.question.kind == kind), 1)
        for kind in BUDGETS_MS
        if any(a.question.kind == kind for a in asked)
    }
    return json.dumps({"raw_rows": raw_rows, **worst})


def as_text(asked: Iterable[Asked]) -> str:
    """Return a line for each question; a mark where the p95 is over the budget."""
    lines = [HEAD]
    for one in asked:
        ordered = sorted(one.times_ms)
        over = one.p95_ms > BUDGETS_MS[one.question.kind]
        lines.append(
            (
                one.question.kind,
                one.question.name,
                f"{ordered[len(ordered) // 2]:.1f}",
                f"{one.p95_ms:.1f}{' !' if over else '  '}",
                f"{one.cpu_ms:.1f}",
                f"{sum(s.ms for s in one.statements):.1f}",
                f"{sum(s.rows_read for s in one.statements):,}",
                "; ".join(s.summary() for s in one.statements),
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD) - 1)]
    text = [
        "  ".join(
            [
                *(cell.ljust(w) if i < 2 else cell.rjust(w)  # noqa: PLR2004 (words left)
                  for i, (cell, w) in enumerate(zip(line, widths, strict=False))),
                line[-1],
            ]
        )
        for line in lines
    ]  # fmt: skip
    return "\n".join(text)
