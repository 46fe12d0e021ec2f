"""The figures as a table for people and as one line of JSON for programs."""

import json
from collections.abc import Sequence

from build.bench.measure import Measured


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value that `share` (0..1) of `values` do not exceed; None when there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def as_row(result: Measured) -> dict[str, object]:
    """Return the figures of one batch size by the names that programs read."""
    row: dict[str, object] = {
        "batch": result.batch,
        "accepted_per_s": round(result.accepted_per_s),
        "stored_per_s": round(result.stored_per_s),
        "copy_per_s": round(result.copy_per_s),
        "copy_ratio": round(result.stored_per_s / result.copy_per_s, 3),
    }
    for name, values, shares in (
        ("ack", result.ack_ms, (50, 99)),
        ("live", result.live_ms, (50, 95, 99)),
    ):
        for share in shares:
            value = percentile(values, share / 100)
            row[f"{name}_p{share}_ms"] = None if value is None else round(value, 1)
    row["cpu_us_per_event"] = {name: round(us, 1) for name, us in result.cpu_us.items()}
    return row | {"missing": result.missing, "twice": result.twice}


def as_json(results: Sequence[Measured]) -> str:
    """Return one line: a list with one object per batch size."""
    return json.dumps([as_row(result) for result in results])


def as_text(results: Sequence[Measured]) -> str:
    """Return the whole report for a person."""
    rows = [as_row(result) for result in results]
    lines = ["", _table(rows), "", "steady load, from which the latencies are:"]
    lines += [
        f"  batches of {r.batch}: {r.offered_per_s:,.0f} events/s offered,"
        f" {len(r.ack_ms):,} answers, {r.probes} probes"
        for r in results
    ]
    lines += ["", "CPU, µs an event: at full load / at the steady load"]
    for r in results:
        each = "  ".join(f"{n} {us:.1f}/{r.steady_cpu_us[n]:.1f}" for n, us in r.cpu_us.items())
        total, steady = sum(r.cpu_us.values()), sum(r.steady_cpu_us.values())
        lines.append(f"  batches of {r.batch}: {each}  all {total:.1f}/{steady:.1f}")
    lines += ["", "memory at full load, MiB (PSS, highest seen); the generator's share of a core"]
    for r in results:
        each = "  ".join(f"{name} {mib:.0f}" for name, mib in r.memory_mib.items())
        lines.append(f"  batches of {r.batch}: {each}  generator {r.load_cpu_percent:.0f} %")
    lines += ["", "answers at full load"]
    lines += [
        f"  batches of {r.batch}: {r.events:,} events, {r.answers}, drained in {r.drain_s:.1f} s"
        for r in results
    ]
    return "\n".join(lines)


def _table(rows: Sequence[dict[str, object]]) -> str:
    names = [name for name in rows[0] if name != "cpu_us_per_event"]
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True))
        for line in cells
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
