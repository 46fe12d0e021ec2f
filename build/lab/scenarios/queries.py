"""Time and plans of requests on 100 million events.

Fills a database once (20 GB, kept in .run/bench-queries), then makes the requests of pages and read
API in queries.txt in this process as a logged-in person. Marks where the p95 is over its budget.
"""

import argparse
import json
import os
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment
from django.utils import timezone

from build.lab import scale_set
from build.lab.report import compute_percentile, format_table
from build.lab.requests import FILTER_24H, LOOKUP, Request, measure, pick_values, read_requests
from build.stack import claim, postgres
from build.stack.command import report_progress
from build.stack.paths import RUN
from build.stack.server import Site
from build.stack.supervisor import Supervisor, leaving_no_child
from server.config.gc_freeze import freeze_startup_objects

HOME = RUN / "bench-queries"
#: It is so long before the end of the set: at midnight requests for a day would be too easy.
NOW_BEFORE_END = timedelta(hours=11, minutes=30)
PLAIN_FILES = "django.contrib.staticfiles.storage.StaticFilesStorage"
#: Kind → the maximum p95 of its slowest request, ms.
BUDGETS_MS = {
    "dashboard_24h": 100,
    "dashboard_30d": 300,
    LOOKUP: 100,
    "trace": 150,
    FILTER_24H: 500,
}
TIMES = 40  # answers of each request
HEAD = ("kind", "question", "p50 ms", "p95 ms", "", "SQL ms", "rows read", "plan")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events-per-day", type=int, default=scale_set.Scale.events_per_day)
    parser.add_argument("--only", default="", help="only requests whose name contains this")
    parser.add_argument("--plans", action="store_true", help="print each statement and its plan")


def run(options: argparse.Namespace) -> int:
    scale = scale_set.Scale(events_per_day=options.events_per_day)
    directory = HOME / scale.key
    with claim.claim_directory(directory), leaving_no_child(), Supervisor(directory) as supervisor:
        filled = directory / "filled.json"
        if not filled.exists():
            shutil.rmtree(directory / "postgres", ignore_errors=True)
        # What is measured is reading; losing the data to a power cut would cost a new filling.
        more = {**postgres.PRODUCTION, "max_wal_size": "1GB", "autovacuum": "off"}
        database = postgres.start(supervisor, directory, durable=False, more=more)
        set_up_django(database.url, supervisor.log_directory)
        request_all(prepare(scale, filled), options)
    return 0


def set_up_django(database_url: str, logs: Path) -> None:
    """Let Django use the database, in this process."""
    # The same request again must not be answered from memory; none here needs Redis.
    site = Site(database_url, "redis://127.0.0.1:1", logs=logs, more={"READ_CACHE_SECONDS": "0"})
    os.environ |= site.environment
    django.setup()
    # Pages name their files as they are: nothing has to be collected for a benchmark.
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": PLAIN_FILES}}
    setup_test_environment(debug=False)


def prepare(scale: scale_set.Scale, filled: Path) -> datetime:
    """Fill the database unless it is; return the moment that is now in it."""
    call_command("migrate", verbosity=0)
    if not filled.exists():
        until = scale_set.find_last_midnight()
        report_progress(f"filling {filled.parent} (once, for these numbers)")
        scale_set.fill(scale, until)
        filled.write_text(json.dumps({"until": until.isoformat()}))
    return datetime.fromisoformat(json.loads(filled.read_text())["until"]) - NOW_BEFORE_END


def request_all(now: datetime, options: argparse.Namespace) -> None:
    timezone.now = lambda: now  # a set that is older than a day must not look empty
    people, rights = get_user_model().objects, {"is_superuser": True}
    client = Client(headers={"host": "testserver"})
    client.force_login(people.update_or_create(username="bench", defaults=rights)[0])
    freeze_startup_objects()  # as the web process does
    every = read_requests(pick_values())
    requests = [each for each in every if options.only in f"{each.kind} {each.name}"]
    for request in requests:
        measure(client, request, times=TIMES)
        report_progress(format_text([request]).splitlines()[1])
        for statement in request.statements if options.plans else ():
            print(statement.sql, json.dumps(statement.plan, indent=1), sep="\n")
    raw_rows, events = scale_set.count_events()
    print(f"{raw_rows:,} raw rows, levels of {events:,} events; load average {os.getloadavg()[0]}")
    print(format_text(requests))
    print(format_json(requests, raw_rows=raw_rows), flush=True)


def format_json(requests: Sequence[Request], *, raw_rows: int) -> str:
    slowest: dict[str, float] = {"raw_rows": raw_rows}
    for kind in BUDGETS_MS:
        if times_ms := [request.p95_ms for request in requests if request.kind == kind]:
            slowest[f"{kind}_p95_ms"] = max(times_ms)
    return json.dumps(slowest)


def format_text(requests: Sequence[Request]) -> str:
    """Return a line for each request; a mark where the p95 is over the budget."""
    rows = [
        (
            request.kind,
            request.name,
            compute_percentile(request.times_ms, 0.5),
            request.p95_ms,
            "!" if request.p95_ms > BUDGETS_MS[request.kind] else "",
            round(sum(s.ms for s in request.statements), 1),
            sum(s.rows_read for s in request.statements),
            "; ".join(s.summarize() for s in request.statements),
        )
        for request in requests
    ]
    return format_table([HEAD, *rows])
