"""Fill the tables with generated history."""

from argparse import ArgumentParser
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from server.demo import mail
from server.demo.history import FILLERS, History, split_days
from server.rollups import rebuild
from server.rollups.levels import LEVELS

#: Default interval of samples.
SAMPLES_EVERY_S = 60
DAY_HOURS = 24


class Command(BaseCommand):
    """Write generated history, a UTC day at a time. The same seed fills nothing twice."""

    help = (
        "Fill the last hours or days with generated history, labelled by node names that begin with"
        " 'generated-'. Deterministic by seed: running it again adds only what is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        back = parser.add_mutually_exclusive_group()
        back.add_argument("--hours", type=int, default=24, help="how far back (default 24)")
        back.add_argument("--days", type=int, help="the same in days")
        rate = parser.add_mutually_exclusive_group()
        rate.add_argument(
            "--events-per-hour", type=int, default=1500, help="mean over the day (default 1500)"
        )
        rate.add_argument("--events-per-day", type=int, help="the same of a day")
        parser.add_argument(
            "--nodes",
            type=int,
            help=f"of the cluster (default {mail.SMALL_NODES}); given, samples are filled too",
        )
        parser.add_argument(
            "--samples-every-s",
            type=int,
            help=f"seconds between samples (default {SAMPLES_EVERY_S} with --nodes, else none: 0)",
        )
        parser.add_argument("--seed", type=int, default=1, help="another seed, another history")
        parser.add_argument(
            "--until", type=datetime.fromisoformat, help="end, RFC 3339 (default: now)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        end = options["until"] or timezone.now()
        if timezone.is_naive(end):
            raise CommandError(f"--until {end} has no time zone; write it like 2026-11-21T12:00Z")
        end = end.astimezone(UTC)
        history = _history(options)
        start = end - timedelta(hours=options["hours"])
        if options["days"] is not None:
            start = end - timedelta(days=options["days"])
        try:
            new = self._fill(history, start, end)
        except rebuild.RawRowsGone as error:
            raise CommandError(str(error)) from error
        counted = ", ".join(f"{new[name]} new {name}" for name in FILLERS)
        self.stdout.write(f"Filled {start:%F %H:%M} to {end:%F %H:%M} UTC: {counted}.")

    def _fill(self, history: History, start: datetime, end: datetime) -> Counter[str]:
        new: Counter[str] = Counter()
        parts = list(split_days(start, end))
        for done, part in enumerate(parts, 1):
            for name, fill in FILLERS.items():
                new[name] += fill(history, part)
            counted = ", ".join(f"{count:,} {what}" for what, count in new.items())
            self.stderr.write(f"{part.start:%F}, {done} of {len(parts)} days: {counted}")
        with connection.cursor() as cursor:  # the planner needs statistics of so many new rows
            for table in ("email_events", LEVELS[0].table):
                cursor.execute(f"ANALYZE {table}")
        return new


def _history(options: dict[str, Any]) -> History:
    nodes, per_day, every_s = (
        options[name] for name in ("nodes", "events_per_day", "samples_every_s")
    )
    if nodes is not None and nodes < mail.NODES_MIN:
        raise CommandError(f"--nodes {nodes}: a cluster has {mail.NODES_MIN} at least")
    if every_s is None:
        every_s = SAMPLES_EVERY_S if nodes is not None else 0
    return History(
        events_per_hour=options["events_per_hour"] if per_day is None else per_day // DAY_HOURS,
        nodes=mail.SMALL_NODES if nodes is None else nodes,
        seed=options["seed"],
        samples_every_s=every_s,
    )
