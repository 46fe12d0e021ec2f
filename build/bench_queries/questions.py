"""What is asked: every endpoint that charts and tables are made from, and searches for events."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db import connection

DASHBOARD_24H, DASHBOARD_30D, LOOKUP, FILTER_24H = (
    "dashboard_24h", "dashboard_30d", "lookup", "filter_24h",
)  # fmt: skip
#: class → the most its slowest question's p95 may take, ms.
BUDGETS_MS = {DASHBOARD_24H: 100, DASHBOARD_30D: 300, LOOKUP: 100, FILTER_24H: 500}


#: Pages, which show numbers before their charts have asked for theirs.
PAGES = {"overview": "/", "outbound": "/email/outbound/", "inbound": "/email/inbound/"}

#: What the page that compares nodes asks for.
COMPARED = "cpu_percent,ram_used_percent,disk_used_percent,load_1m"


@dataclass(frozen=True)
class Question:
    """One question in one or more wordings, which are asked in turn."""

    kind: str
    name: str
    addresses: tuple[str, ...]


def dashboard(*, node: str) -> Iterator[Question]:
    """Yield what the pages ask, for a day and for thirty."""
    for kind, named in ((DASHBOARD_24H, "24h"), (DASHBOARD_30D, "30d")):
        yield _one(kind, "throughput", "email/throughput", range=named)
        yield _one(kind, "throughput inbound", "email/throughput", range=named, direction="inbound")
        if kind == DASHBOARD_24H:
            yield _one(kind, "throughput by 15 min", "email/throughput", range=named, width="15m")
        else:
            # Days that begin between two UTC days, and at half past, are made of hours and less.
            yield _one(kind, "throughput, Berlin", "email/throughput", range=named,
                       tz="Europe/Berlin")  # fmt: skip
            yield _one(kind, "throughput, India", "email/throughput", range=named,
                       tz="Asia/Kolkata")  # fmt: skip
        for by in ("node", "to_domain", "from_domain", "sending_ip", "zone", "bounce"):
            yield _one(kind, f"throughput by {by}", "email/throughput", range=named, by=by)
        for by in ("destination", "domain", "node", "ip", "zone"):
            yield _one(kind, f"stats by {by}", "email/stats", range=named, by=by)
        if kind == DASHBOARD_30D:
            for tz in ("Europe/Berlin", "Asia/Kolkata"):
                yield _one(kind, f"stats by destination, {tz}", "email/stats", range=named, tz=tz)
            yield _one(kind, "throughput by to_domain, Berlin", "email/throughput", range=named,
                       by="to_domain", tz="Europe/Berlin")  # fmt: skip
        yield _one(kind, "stats, last page", "email/stats", range=named, offset=1_000,
                   sort="bounced_ratio")  # fmt: skip
        yield _one(kind, "stats, slowest first", "email/stats", range=named, sort="p95_ms")
        yield _one(kind, "performance", "email/performance", range=named)
        yield _one(kind, "bounce analysis", "email/bounce-analysis", range=named)
        yield _one(kind, "sizes", "email/sizes", range=named)
        yield _one(kind, "inbound", "email/inbound", range=named)
        yield _one(kind, "node metrics", f"nodes/{node}/metrics", range=named)
        yield _one(kind, "metrics of all nodes", "metrics/system", range=named, fields=COMPARED)
        yield _one(kind, "events, newest", "email/events", range=named)
        for name, path in PAGES.items():
            yield Question(kind, f"page: {name}", (f"{path}?{urlencode({'range': named})}",))
    yield _one(DASHBOARD_24H, "nodes", "nodes")


def searches(values: "Values") -> Iterator[Question]:
    """Yield the searches for events, each with many values."""
    for name in ("message_id", "queue_id"):
        yield _each(LOOKUP, name, getattr(values, name))
    for name in ("from_domain", "to_domain"):
        yield _each(LOOKUP, f"{name}, 24 h", getattr(values, name), column=name)
        yield _each(LOOKUP, f"{name}, 30 d", getattr(values, name), column=name, range="30d")
    yield _each(FILTER_24H, "from_address", values.from_address)
    yield _each(FILTER_24H, "to_address", values.to_address)
    yield _each(FILTER_24H, "sending_ip", values.sending_ip)
    yield _each(FILTER_24H, "mta_node", values.mta_node)
    yield _each(FILTER_24H, "type", ("bounced", "deferred", "rejected", "sent", "dropped"))
    combinations: dict[str, dict[str, Any]] = {
        "status code": {"status_code": 452},
        "a reply nobody gave": {"status_code": 299},
        "mx_host of the long tail": {"mx_host": "mx2.domain-1500.example"},
        "zone and category": {"zone": "bulk", "bounce_category": "policy"},
        "node and type": {"mta_node": values.mta_node[0], "type": "bounced"},
        "inferred (there are none)": {"certainty": "inferred"},
        "destination and code": {"to_domain": "gmail.example", "status_code": 452},
    }
    for name, filters in combinations.items():
        yield _one(FILTER_24H, name, "email/events", **filters)


@dataclass(frozen=True)
class Values:
    """Values that are there: to be searched for."""

    message_id: tuple[str, ...]
    queue_id: tuple[str, ...]
    from_domain: tuple[str, ...]
    to_domain: tuple[str, ...]
    from_address: tuple[str, ...]
    to_address: tuple[str, ...]
    sending_ip: tuple[str, ...]
    mta_node: tuple[str, ...]


def pick(count: int = 20) -> Values:
    """Pick values at random from the raw rows, of frequent and rare ones some."""
    names = list(Values.__dataclass_fields__)
    columns = ", ".join(f"host({n})" if n == "sending_ip" else n for n in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM email_events TABLESAMPLE BERNOULLI (1) REPEATABLE (7)"  # noqa: S608
            " WHERE direction = 'outbound' AND sending_ip IS NOT NULL LIMIT 20000"
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    rng = random.Random(7)  # noqa: S311 (the same questions each time)
    found = {}
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        different = sorted({value for value in column if value is not None})
        found[name] = tuple(rng.sample(different, min(count, len(different))))
    return Values(**found)


def _one(kind: str, name: str, path: str, **query: Any) -> Question:
    return Question(kind, name, (_address(path, query),))


def _each(
    kind: str, name: str, values: tuple[str, ...], *, column: str = "", **query: Any
) -> Question:
    column = column or name
    return Question(
        kind, name, tuple(_address("email/events", {column: value, **query}) for value in values)
    )


def _address(path: str, query: dict[str, Any]) -> str:
    return f"/api/v1/{path}" + (f"?{urlencode(query)}" if query else "")
