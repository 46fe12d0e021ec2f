"""Give stored events the classes that people assigned to their replies."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from server.rollups.rebuild import RawRowsGone
from server.rollups.reclassify import reclassify, start_of


class Command(BaseCommand):
    """Print each day with the number of events that changed."""

    help = (
        "Give stored events of FROM … TO, UTC days such as 2026-11-21, both included, the classes"
        " that were assigned to their replies, and make the levels of these days anew."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("days", nargs=2, type=date.fromisoformat, metavar="DAY")

    def handle(self, *args: Any, **options: Any) -> None:
        first, last = map(start_of, options["days"])
        if first > last:
            raise CommandError(f"{first:%F} is after {last:%F}: FROM comes first")
        try:
            for day, changed in reclassify(first, last, now=timezone.now()):
                self.stdout.write(f"{day:%F}: {changed} events changed")
        except RawRowsGone as error:
            raise CommandError(str(error)) from error
