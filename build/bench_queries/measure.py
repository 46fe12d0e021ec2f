"""Asking through the views, in this process; plans and rows read from EXPLAIN ANALYZE."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
from django.db import connection
from django.test import Client

from build.bench_queries.questions import Question

#: TimescaleDB names the index of a chunk after the chunk and the hypertable's index.
CHUNK_PREFIX = re.compile(r"^(_hyper_\d+_\d+_chunk_|\d+_\d+_)")
CHUNK = re.compile(r"^_hyper_\d+_\d+_chunk$")


@dataclass
class Statement:
    """One statement of an answer, as it was planned and run."""

    sql: str
    plan: dict[str, Any]

    @property
    def scans(self) -> list[dict[str, Any]]:
        """The nodes of the plan that read a table."""
        return [node for node in _nodes(self.plan["Plan"]) if "Relation Name" in node]

    @property
    def rows_read(self) -> int:
        """Rows that were looked at, those that a filter then left out included."""
        return round(sum(_rows_read(node) for node in _nodes(self.plan["Plan"])))

    @property
    def ms(self) -> float:
        """Planning and running."""
        return float(self.plan["Planning Time"] + self.plan["Execution Time"])

    def summary(self) -> str:
        """Say how tables were read: kind of scan, index, in how many chunks."""
        found: Counter[str] = Counter()
        for node in _nodes(self.plan["Plan"]):
            if "Scan" in node["Node Type"] and ("Relation Name" in node or "Index Name" in node):
                used = CHUNK_PREFIX.sub("", node.get("Index Name", ""))
                of = "" if used else f" of {table_of(node['Relation Name'])}"
                if node["Node Type"] != "Bitmap Heap Scan":
                    found[f"{node['Node Type']}{of} {used}".strip()] += 1
        return ", ".join(f"{n} {what}" if n > 1 else what for what, n in found.items())


@dataclass
class Asked:
    """What one question took."""

    question: Question
    times_ms: list[float] = field(default_factory=list)
    #: Of this process and of the database session, mean of one answer.
    cpu_ms: float = 0.0
    statements: list[Statement] = field(default_factory=list)

    @property
    def p95_ms(self) -> float:
        """The time 95 of 100 answers took no longer than."""
        ordered = sorted(self.times_ms)
        return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def ask(client: Client, question: Question, *, times: int, warm_up: int = 3) -> Asked:
    """Ask so often, the wordings in turn, then once more with the plans."""
    asked = Asked(question)
    every = len(question.addresses)
    for i in range(max(warm_up, every)):
        _get(client, question.addresses[i % every])
    backend = _backend()
    before = _cpu_s(backend)
    for i in range(times):
        address = question.addresses[i % every]
        started_at = time.perf_counter()
        _get(client, address)
        asked.times_ms.append((time.perf_counter() - started_at) * 1_000)
    if times:
        asked.cpu_ms = (_cpu_s(backend) - before) * 1_000 / times
    with captured() as statements:
        _get(client, question.addresses[0])
    asked.statements = [explain(*each) for each in statements]
    return asked


@contextmanager
def captured() -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements of a block that read our hypertables, with their parameters."""
    found: list[tuple[str, Any]] = []

    def collect(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if "email_" in sql or "metrics_" in sql:
            found.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(collect):
        yield found


def explain(sql: str, params: Any) -> Statement:
    """Run a statement under EXPLAIN ANALYZE."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", params)
        (plan,) = cursor.fetchone()
    return Statement(sql, (json.loads(plan) if isinstance(plan, str) else plan)[0])


def table_of(relation: str) -> str:
    """Return the hypertable's name for a chunk; others as they are."""
    if not CHUNK.match(relation):
        return relation
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT hypertable_name FROM timescaledb_information.chunks WHERE chunk_name = %s",
            [relation],
        )
        return str(cursor.fetchone()[0])


def _get(client: Client, address: str) -> None:
    reply = client.get(address)
    reply.getvalue()  # a page that streams is made when it is read
    if reply.status_code != 200:  # noqa: PLR2004 (OK)
        message = f"{address}: {reply.status_code} {reply.content[:500]!r}"
        raise ValueError(message)


def _backend() -> psutil.Process:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return psutil.Process(cursor.fetchone()[0])


def _cpu_s(backend: psutil.Process) -> float:
    try:
        used = backend.cpu_times()
    except psutil.Error:  # a database elsewhere
        return time.process_time()
    return time.process_time() + used.user + used.system


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows_read(node: dict[str, Any]) -> float:
    if "Relation Name" not in node:
        return 0
    rows = node["Actual Rows"]
    for removed in ("Rows Removed by Filter", "Rows Removed by Index Recheck"):
        rows += node.get(removed, 0)
    return float(rows * node["Actual Loops"])
