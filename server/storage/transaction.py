"""One transaction for the events of a batch, their counts in the levels, and their numbers."""

from collections.abc import Sequence

from django.db import connection, transaction

from server.ledger import store as ledger
from server.ledger.merge import NumberedBatch, merge_batches
from server.storage.events_fast_path import insert_events
from server.storage.events_writer import NewEvents

#: Past this a statement is ended, and what it stores is divided: the actor is ended after a minute,
#: and the next would begin the same anew. A statement of full size takes about a second.
MAX_STATEMENT_S = 20
LIMIT_STATEMENTS = f"SET LOCAL statement_timeout = '{MAX_STATEMENT_S} s'"


def write_events(lines: Sequence[str], numbered: Sequence[NumberedBatch] = ()) -> list[NewEvents]:
    """Store COPY lines once, whatever came before, count the new ones, and enter their numbers.

    Safe to run twice. Raises django.db.Error, and then has stored nothing.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LIMIT_STATEMENTS)
        entries = merge_batches(numbered)
        repeated = bool(lines and entries) and ledger.has_any(entries)
        new = insert_events(lines, repeated=repeated) if lines else []
        ledger.record(entries)
    return new
