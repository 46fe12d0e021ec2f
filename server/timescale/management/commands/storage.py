"""Say what the hypertables hold and what will be dropped."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from server.timescale import edition, hypertables, retention
from server.timescale.hypertables import Measured

HEAD = ("table", "rows", "size", "chunks", "compressed", "oldest (UTC)", "kept", "next drop")


class Command(BaseCommand):
    """Print a table. Numbers of rows are PostgreSQL's estimates."""

    help = "Print for each hypertable its rows (estimated), size, age, and what is dropped when."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument(
            "--apply",
            action="store_true",
            help="first drop what is due, or set the policies; workers do so every hour",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and print."""
        now = timezone.now()
        if options["apply"]:
            for chunk in retention.apply(now):
                self.stdout.write(f"dropped {chunk}")
        by_policy = edition.is_community(connection)
        lines: list[tuple[str, ...]] = [HEAD]
        for table in hypertables.find(list(settings.RETENTION_DAYS)):
            days = settings.RETENTION_DAYS[table.name]
            lines.append(_line(table.name, hypertables.measure(table), days=days))
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
            self.stdout.write("  ".join(cells).rstrip())
        who = "TimescaleDB's policies drop" if by_policy else "The workers' housekeeping drops"
        self.stdout.write(f"{who} a chunk when all of it is older than it is kept.")


def _line(name: str, held: Measured, *, days: int) -> tuple[str, ...]:
    drop = "nothing yet"
    if held.oldest_chunk_ends_at:
        drop_at = held.oldest_chunk_ends_at + timedelta(days=days)
        drop = f"before {held.oldest_chunk_ends_at:%F} on {drop_at:%F}"
    return (
        name,
        f"{max(held.rows, 0):,}",
        filesizeformat(held.size_bytes).replace("\xa0", " "),
        str(held.chunks),
        str(held.compressed_chunks),
        f"{held.oldest_at:%F %H:%M}" if held.oldest_at else "empty",
        f"{days} days",
        drop,
    )
