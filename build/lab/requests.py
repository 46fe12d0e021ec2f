"""The requests of queries.txt with values of the database, made in this process and explained."""

import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from urllib.parse import quote

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from build.lab.report import compute_percentile
from tests.query_plan import Statement, explain, fetch_rows

REQUESTS = Path(__file__).with_name("queries.txt")
LOOKUP, FILTER_24H = "lookup", "filter_24h"
#: A class in the file → the ranges with which it is requested, each a kind of its own.
RANGES = {"24h": ("24h",), "30d": ("30d",), "dashboard": ("24h", "30d")}
COLUMNS = (
    "message_id queue_id from_domain to_domain from_address to_address sending_ip mta_node provider"
    " auth_user"
)


@dataclass
class Request:
    """One request with one or more values, which are requested in turn; and its answers."""

    kind: str
    name: str
    addresses: tuple[str, ...]
    times_ms: list[float] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)

    @property
    def p95_ms(self) -> float:
        return compute_percentile(self.times_ms, 0.95) or 0.0


def pick_values(count: int = 20) -> dict[str, tuple[str, ...]]:
    """Pick values by column at random from the raw rows, some frequent and some rare."""
    names = COLUMNS.split()
    rows = fetch_rows(
        f"SELECT {', '.join(names)} FROM email_events TABLESAMPLE BERNOULLI (1) REPEATABLE (7)"  # noqa: S608
        " WHERE direction = 'outbound' AND sending_ip IS NOT NULL LIMIT 20000"
    )
    rng = random.Random(7)  # noqa: S311 (the same requests each time)
    values = {"type": ("bounced", "deferred", "rejected", "sent", "dropped")}
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        different = sorted(set(column) - {None})
        values[name] = tuple(rng.sample(different, min(count, len(different))))
    return values | {"node": values["mta_node"][:1]}


def read_requests(values: Mapping[str, Sequence[str]]) -> Iterator[Request]:
    for line in REQUESTS.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        class_name, name, address = re.split(r"  +", line)
        address = address if address.startswith("/") else f"/api/v1/{address}"
        column = re.search(r"\{(\w+)\}", address)
        texts = [quote(value, safe="") for value in values[column[1]]] if column else [""]
        addresses = tuple(re.sub(r"\{\w+\}", text, address) for text in texts)
        if class_name not in RANGES:
            yield Request(class_name, name, addresses)
        for named in RANGES.get(class_name, ()):
            query = f"{'&' if '?' in address else '?'}range={named}"
            yield Request(f"dashboard_{named}", name, tuple(each + query for each in addresses))


def measure(client: Client, request: Request, *, times: int, warm_up: int = 3) -> None:
    """Make a request so often, with its values in turn, then once more with the plans."""
    addresses = cycle(request.addresses)
    for _ in range(max(warm_up, len(request.addresses))):
        _get(client, next(addresses))
    addresses = cycle(request.addresses)
    for _ in range(times):
        started_at = time.perf_counter()
        _get(client, next(addresses))
        request.times_ms.append((time.perf_counter() - started_at) * 1_000)
    with CaptureQueriesContext(connection) as queries:
        _get(client, request.addresses[0])
    request.statements = [
        explain(query["sql"])
        for query in queries.captured_queries
        if "email_" in query["sql"] or "metrics_" in query["sql"]
    ]


def _get(client: Client, address: str) -> None:
    reply = client.get(address)
    reply.getvalue()  # a page that streams is made when it is read
    if reply.status_code != 200:  # noqa: PLR2004 (OK)
        raise ValueError(f"{address}: {reply.status_code} {reply.content[:500]!r}")
