"""Use what TimescaleDB's Community edition has, in a database that was made under Apache's."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from server.rollups import upgrade
from server.timescale import edition, retention


class Command(BaseCommand):
    """Print each level that moved. Safe to run twice: it then finishes what is missing."""

    help = (
        "After the server was changed to TimescaleDB's Community edition: let TimescaleDB keep the"
        " wider levels, with all their history, and set its policies of retention and compression."
        " Writing events waits meanwhile; the inbox does not."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not edition.is_community(connection):
            raise CommandError(
                "TimescaleDB runs under Apache's licence here. Install the Community edition on the"
                " database server, set timescaledb.license = 'timescale', restart PostgreSQL."
            )
        if versions := upgrade.older_extension():
            raise CommandError(
                "The database has TimescaleDB {} and the server {}: run ALTER EXTENSION timescaledb"
                " UPDATE first, as the first statement of a new psql -X session.".format(*versions)
            )
        try:
            now = timezone.now()
            moved = upgrade.to_continuous_aggregates(now)
        except upgrade.RowsLost as error:
            raise CommandError(f"{error}. Nothing was changed.") from error
        for each in moved:
            self.stdout.write(
                f"{each.table}: kept by TimescaleDB now, {each.rows:,} older rows moved"
            )
        if not moved:
            self.stdout.write("The levels are kept by TimescaleDB already.")
        upgrade.show_history(now)
        retention.apply(now)
        self.stdout.write("Refreshed; policies of retention and compression are set.")
