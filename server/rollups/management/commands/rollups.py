"""Compare the levels of events and samples with the raw rows, or make them anew."""

from argparse import ArgumentParser
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from server.rollups import rebuild
from server.rollups.samples import rebuild as sample_rebuild


class Command(BaseCommand):
    """Print what was compared or made; exit code 1 when something differs."""

    help = (
        "Compare the levels with the raw events and samples, or make them anew from them."
        " FROM and TO are UTC days such as 2026-11-21, both included."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--verify",
            nargs="*",
            type=date.fromisoformat,
            metavar="DAY",
            help="FROM TO: compare; without days yesterday and today",
        )
        what.add_argument(
            "--rebuild",
            nargs=2,
            type=date.fromisoformat,
            metavar=("FROM", "TO"),
            help="make anew; writing events waits meanwhile, a day at a time",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            if options["rebuild"] is not None:
                self._rebuild(*_span(options["rebuild"]), now=now)
            else:
                today = now.date()
                days = options["verify"] or [today - timedelta(days=1), today]
                self._verify(*_span(days), now=now)
        except rebuild.RawRowsGone as error:
            raise CommandError(str(error)) from error

    def _verify(self, first: datetime, last: datetime, *, now: datetime) -> None:
        different = 0
        for levels in (rebuild, sample_rebuild):
            for compared in levels.verify(first, last, now=now):
                different += compared.different
                self.stdout.write(
                    f"{compared.day:%F} {compared.table}: {compared.rows} rows,"
                    f" {compared.different} different"
                )
        if different:
            raise CommandError(f"{different} rows differ from the raw ones. See --rebuild.")

    def _rebuild(self, first: datetime, last: datetime, *, now: datetime) -> None:
        for day in rebuild.rebuild(first, last, now=now):
            self.stdout.write(f"{day:%F} made anew")
        tables = set(sample_rebuild.rebuild(first, last, now=now))
        self.stdout.write(f"and the levels of {len(tables)} tables of samples")


def _span(days: list[date]) -> tuple[datetime, datetime]:
    if len(days) != 2:  # noqa: PLR2004 (from and to)
        raise CommandError("give two days, FROM and TO, or none")
    first, last = (datetime.combine(day, time(), UTC) for day in days)
    if first > last:
        raise CommandError(f"{first:%F} is after {last:%F}: FROM comes first")
    return first, last
