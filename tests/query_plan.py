"""Statements with their plans and rows read, from EXPLAIN ANALYZE."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

#: TimescaleDB names the index of a chunk after the chunk and the hypertable's index.
CHUNK_PREFIX = re.compile(r"^(_hyper_\d+_\d+_chunk_|\d+_\d+_)")
#: Of a scan: rows returned, and rows that were looked at and left out.
ROWS_READ = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")


@dataclass
class Statement:
    """One statement as it was planned and run."""

    sql: str
    plan: dict[str, Any]

    @property
    def scans(self) -> list[dict[str, Any]]:
        return [node for node in _walk(self.plan["Plan"]) if "Relation Name" in node]

    @property
    def rows_read(self) -> int:
        """Rows that were looked at, those that a filter then left out included."""
        rows = (
            node["Actual Loops"] * sum(node.get(name, 0) for name in ROWS_READ)
            for node in self.scans
        )
        return round(float(sum(rows)))

    @property
    def ms(self) -> float:
        return float(self.plan["Planning Time"] + self.plan["Execution Time"])

    def summarize(self) -> str:
        """Return how tables were read: kind of scan, index, in how many chunks."""
        scans: Counter[str] = Counter()
        for node in _walk(self.plan["Plan"]):
            kind = node["Node Type"]
            has_name = "Relation Name" in node or "Index Name" in node
            if "Scan" in kind and has_name and kind != "Bitmap Heap Scan":
                index = CHUNK_PREFIX.sub("", node.get("Index Name", ""))
                table = "" if index else f" of {find_table(node['Relation Name'])}"
                scans[f"{kind}{table} {index}".strip()] += 1
        return ", ".join(f"{n} {scan}" if n > 1 else scan for scan, n in scans.items())


def explain(sql: str) -> Statement:
    options = "ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON"
    ((plan,),) = fetch_rows(f"EXPLAIN ({options}) {sql}")
    return Statement(sql, (json.loads(plan) if isinstance(plan, str) else plan)[0])


def find_table(relation: str) -> str:
    """Return the hypertable's name for a chunk; others as they are."""
    if not relation.startswith("_hyper_"):
        return relation
    chunks = "SELECT hypertable_name FROM timescaledb_information.chunks WHERE chunk_name = %s"
    return str(fetch_rows(chunks, [relation])[0][0])


def fetch_rows(sql: str, params: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _walk(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _walk(child)
