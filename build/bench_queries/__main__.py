"""`python -m build.bench_queries`: fill a database once, ask, report."""

import argparse
import json
import os
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.test.utils import setup_test_environment

from build.stack import claim, postgres
from build.stack.errors import AlreadyRunningError, StackError
from build.stack.paths import RUN
from build.stack.server import SETTINGS_MODULE
from build.stack.supervisor import Supervisor, end_on_signals, leaving_no_child

HOME = RUN / "bench-queries"
#: So long before the end of the set it is now: at midnight a day's questions would be too easy.
ASKED_BEFORE_END = timedelta(hours=11, minutes=30)
USER = "bench"
PLAIN_FILES = "django.contrib.staticfiles.storage.StaticFilesStorage"


def main() -> int:
    """Fill and ask; the last line of standard output is JSON."""
    parser = argparse.ArgumentParser(prog="python -m build.bench_queries", description=__doc__)
    parser.add_argument("--events-per-day", type=int, help="default 3 500 000")
    parser.add_argument("--nodes", type=int, help="default 20")
    parser.add_argument("--times", type=int, default=40, help="each question is asked (default 40)")
    parser.add_argument("--only", default="", help="only questions whose name has this in it")
    parser.add_argument("--plans", action="store_true", help="print each statement and its plan")
    options = parser.parse_args()
    end_on_signals()
    try:
        return run(options)
    except AlreadyRunningError:
        say("mallard: another benchmark of the same size runs")
    except StackError as error:
        say(f"mallard: {error}")
    return 1


def run(options: argparse.Namespace) -> int:
    """Start the database, fill it if it is not filled, ask."""
    from build.bench_queries import scale as scales  # noqa: PLC0415 (Django must be set up first)

    given = {
        name: value
        for name in ("events_per_day", "nodes")
        if (value := getattr(options, name)) is not None
    }
    scale = scales.Scale(**given)
    directory = HOME / scale.key
    with claim.claimed(directory), leaving_no_child(), Supervisor(directory) as supervisor:
        filled = directory / "filled.json"
        if not filled.exists():
            shutil.rmtree(directory / "postgres", ignore_errors=True)
        # What is measured is reading; losing the data to a power cut would cost a new filling.
        settings = {**postgres.PRODUCTION, "max_wal_size": "1GB", "autovacuum": "off"}
        database = postgres.start(supervisor, directory, durable=False, more=settings)
        set_up(database.url)
        return ask_all(prepare(scale, filled), options)


def set_up(database_url: str) -> None:
    """Let Django use the database, in this process."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
        "SECRET_KEY": "only-for-this-benchmark",
        "DATABASE_URL": database_url,
        "REDIS_URL": "redis://127.0.0.1:1",  # nothing asked here needs it
        "ALLOWED_HOSTS": "testserver",
        "READ_CACHE_SECONDS": "0",  # or the same question again would be answered from memory
    }
    django.setup()
    # Pages name their files as they are: nothing has to be collected for a benchmark.
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": PLAIN_FILES}}
    setup_test_environment(debug=False)


def prepare(scale: Any, filled: Path) -> datetime:
    """Fill the database unless it is; return the moment that is now in it."""
    from django.core.management import call_command  # noqa: PLC0415

    from build.bench_queries import scale as scales  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    if not filled.exists():
        until = scales.last_midnight()
        say(f"filling {filled.parent} (once, for these numbers)")
        scales.fill(scale, until, say=say)
        filled.write_text(json.dumps({"until": until.isoformat()}))
    until = datetime.fromisoformat(json.loads(filled.read_text())["until"])
    return until - ASKED_BEFORE_END


def ask_all(now: datetime, options: argparse.Namespace) -> int:
    """Ask every question as a logged-in person at `now`."""
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from build.bench_queries import measure, questions, report, scale  # noqa: PLC0415
    from server.config.gc_freeze import settle  # noqa: PLC0415

    timezone.now = lambda: now  # a set that is older than a day must not look empty
    may_see_all = {"is_superuser": True, "is_staff": True}
    user, _ = User.objects.update_or_create(username=USER, defaults=may_see_all)
    client = Client(headers={"host": "testserver"})
    client.force_login(user)
    settle()  # as the web process does
    values = questions.pick()
    asked = []
    for question in [*questions.dashboard(node=values.mta_node[0]), *questions.searches(values)]:
        if options.only not in f"{question.kind} {question.name}":
            continue
        one = measure.ask(client, question, times=options.times)
        asked.append(one)
        print(report.as_text([one]).splitlines()[1], file=sys.stderr, flush=True)
        if options.plans:
            for statement in one.statements:
                print(statement.sql, json.dumps(statement.plan, indent=1), sep="\n")
    raw_rows = scale.raw_rows()
    print(
        f"{raw_rows:,} raw rows, levels of {scale.counted_events():,} events;"
        f" load average {os.getloadavg()[0]:.1f}\n"
    )
    print(report.as_text(asked))
    print(report.as_json(asked, raw_rows=raw_rows), flush=True)
    return 0


def say(what: str) -> None:
    """Tell the person at the terminal."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
