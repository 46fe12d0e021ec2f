"""Print the size and retention of the hypertables."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from server.timescale import edition, hypertables, retention
from server.timescale.hypertables import Usage

HEAD = ("table", "rows", "size", "chunks", "compressed", "oldest (UTC)", "kept", "next drop")


class Command(BaseCommand):
    """Print a table. Numbers of rows are PostgreSQL's estimates."""

    help = "Print for each hypertable its rows (estimated), size, age, and what is dropped when."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--apply",
            action="store_true",
            help="first drop what is due, or set the policies; workers do so every hour",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["apply"]:
            for chunk in retention.apply(now):
                self.stdout.write(f"dropped {chunk}")
        by_policy = edition.is_community(connection)
        lines: list[tuple[str, ...]] = [HEAD]
        for name, usage in hypertables.measure(list(settings.RETENTION_DAYS)):
            lines.append(_line(name, usage, days=settings.RETENTION_DAYS[name]))
        widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
            self.stdout.write("  ".join(cells).rstrip())
        dropped_by = (
            "TimescaleDB's policies drop" if by_policy else "The workers' housekeeping drops"
        )
        self.stdout.write(f"{dropped_by} a chunk when all of it is older than it is kept.")


def _line(name: str, usage: Usage, *, days: int) -> tuple[str, ...]:
    drop = "nothing yet"
    if usage.oldest_chunk_ends_at:
        drop_at = usage.oldest_chunk_ends_at + timedelta(days=days)
        drop = f"before {usage.oldest_chunk_ends_at:%F} on {drop_at:%F}"
    return (
        name,
        f"{max(usage.rows, 0):,}",
        filesizeformat(usage.size_bytes).replace("\xa0", " "),
        str(usage.chunks),
        str(usage.compressed_chunks),
        f"{usage.oldest_at:%F %H:%M}" if usage.oldest_at else "empty",
        f"{days} days",
        drop,
    )
