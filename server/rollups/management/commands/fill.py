"""Fill the tables with generated history."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from server.events import generator
from server.events.mapping import to_line
from server.rollups.store import write_events

BATCH_EVENTS = 20_000


class Command(BaseCommand):
    """Write generated events of whole hours. The same seed fills nothing twice."""

    help = (
        "Fill the last hours with generated events, labelled by node names that begin with"
        " 'generated-'. Deterministic by seed: running it again adds only what is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--hours", type=int, default=24, help="how far back (default 24)")
        parser.add_argument(
            "--events-per-hour", type=int, default=1500, help="mean over the day (default 1500)"
        )
        parser.add_argument("--seed", type=int, default=1, help="another seed, another history")
        parser.add_argument(
            "--until", type=datetime.fromisoformat, help="end, RFC 3339 (default: now)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Generate, write, say how much."""
        end = options["until"] or timezone.now()
        if timezone.is_naive(end):
            raise CommandError(f"--until {end} has no time zone; write it like 2026-11-21T12:00Z")
        start = end - timedelta(hours=options["hours"])
        rows = chain.from_iterable(
            generator.hour_of_events(
                hour, events_per_hour=options["events_per_hour"], seed=options["seed"]
            )
            for hour in generator.hours(start, end)
        )
        lines = (to_line(row) for row in rows if start <= row["occurred_at"] < end)
        new = 0
        while batch := list(islice(lines, BATCH_EVENTS)):
            new += sum(stored.events for stored in write_events(batch))
            if options["verbosity"] > 1:
                self.stdout.write(f"{new} events …")
        self.stdout.write(f"Filled {start:%F %H:%M} to {end:%F %H:%M} UTC: {new} new events.")
