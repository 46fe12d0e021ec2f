"""A database whose levels count 100 million events, and with 10 million raw rows.

One day is generated, stored and counted as `manage.py fill` does. The other raw days are that day's
rows again, moved by whole days, with ids of their own; the levels of all other days are that day's
levels again, moved likewise: as many rows, values and buckets as so many days of mail have.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from build.stack.command import report_progress
from tests.query_plan import fetch_rows

LEVELS = ("email_stats_daily", "email_stats_1h", "email_stats_5m")
COPY_DAY = Path(__file__).with_name("scale_set.sql").read_text()
TABLES = ("email_events", "email_stats_1m", *LEVELS, "metrics_system")


@dataclass(frozen=True)
class Scale:
    """The size of a set. Same numbers, same database."""

    days: int = 30
    raw_days: int = 3
    events_per_day: int = 3_500_000
    nodes: int = 20
    seed: int = 1
    samples_every_s: int = 300

    @property
    def key(self) -> str:
        return "-".join(str(value) for value in asdict(self).values())


def find_last_midnight() -> datetime:
    """Return the beginning of this UTC day, at which a scale set ends."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def fill(scale: Scale, until: datetime) -> None:
    """Fill an empty, migrated database. Takes minutes: most of it is PostgreSQL making indexes."""
    generate = partial(call_command, "fill", nodes=scale.nodes, seed=scale.seed, until=until)
    report_progress("samples")
    generate(days=scale.days, events_per_hour=0, samples_every_s=scale.samples_every_s)
    report_progress("one day of mail")
    generate(days=1, events_per_day=scale.events_per_day, samples_every_s=0)
    day = until - timedelta(days=1)
    raw, before = range(-scale.raw_days + 1, 0), range(-scale.days + 1, -scale.raw_days + 1)
    with ThreadPoolExecutor(2) as pool:
        copies = [pool.submit(_copy, table, day, n) for table in TABLES[:-1] for n in raw]
        for table in LEVELS:
            few = table == "email_stats_5m"
            copies += [pool.submit(_copy, table, day, n, few=few) for n in before]
        for done, copy in enumerate(copies, 1):
            copy.result()
            report_progress(f"{done} of {len(copies)} copies of that day")
    with connection.cursor() as cursor:  # as autovacuum does in time
        cursor.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")


def count_events() -> tuple[int, int]:
    """Return how many raw rows there are, and how many events the widest level counts."""
    ((raw_rows, counted),) = fetch_rows(
        "SELECT count(*), (SELECT sum(events) FROM email_stats_daily WHERE dimension = 'all')"
        " FROM email_events"
    )
    return raw_rows, int(counted or 0)


def _copy(table: str, day: datetime, days: int, *, few: bool = False) -> None:
    """Insert the rows of a day again, moved by `days`. In a thread, on a connection of its own."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(COPY_DAY)
            copy = "SELECT pg_temp.copy_day(%s, %s, %s::interval, %s)"
            cursor.execute(copy, [table, day, f"{days} days", few])
    finally:
        connection.close()
