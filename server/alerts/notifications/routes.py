"""Routes of this server, read by whoever stores them.

An app or module that stores routes registers its reader; without one, nothing is notified.
"""

from collections.abc import Callable, Sequence

from server.alerts.notifications.decisions import Route

Reader = Callable[[], Sequence[Route]]
_readers: list[Reader] = []


def use_reader(reader: Reader) -> None:
    """Name the reader. It runs once a round, in the round's transaction: one query at most."""
    _readers[:] = [reader]


def read_routes() -> list[Route]:
    """Return the routes in the order in which they are tried. Raises django.db.Error."""
    return [route for reader in _readers for route in reader()]
