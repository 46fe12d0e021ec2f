"""One transaction for the events of a batch, their counts in the levels, and their numbers."""

from collections.abc import Sequence

from django.db import transaction

from server.ledger import store as ledger
from server.ledger.merge import NumberedBatch
from server.storage.events_fast_path import insert_events
from server.storage.events_writer import NewEvents


def write_events(lines: Sequence[str], numbered: Sequence[NumberedBatch] = ()) -> list[NewEvents]:
    """Store COPY lines once, whatever came before, count the new ones, and enter their numbers.

    Safe to run twice. Raises django.db.Error, and then has stored nothing.
    """
    with transaction.atomic():
        repeated = bool(lines and numbered) and ledger.has_any(numbered)
        new = insert_events(lines, repeated=repeated) if lines else []
        ledger.record(numbered)
    return new
