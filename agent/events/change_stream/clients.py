"""MongoDB clients of the change streams: streams of one deployment share one, with its pool and
its monitor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from agent.events.change_stream import database

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

Document = dict[str, Any]


class SharedClients:
    """Clients in use, by deployment. Safe to use by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[str, tuple[MongoClient[Document], int]] = {}

    @contextmanager
    def lease(self, uri: str) -> Iterator[Database[Document]]:
        """Give the database that `uri` names; its client is closed after its last lease. Raises
        PyMongoError for a URI that cannot be used."""
        key, name = _split(uri)
        with self._lock:
            client, leases = self._clients.get(key) or (database.connect(uri), 0)
            self._clients[key] = client, leases + 1
        try:
            yield client[name] if name else client.get_default_database()
        finally:
            with self._lock:
                client, leases = self._clients.pop(key)
                if leases > 1:
                    self._clients[key] = client, leases - 1
            if leases == 1:
                client.close()


def _split(uri: str) -> tuple[str, str]:
    """Return a URI in the form that is compared, and the name of its database. That name is part of
    the deployment only where the user is looked up in it."""
    parts = urlsplit(uri)
    name = unquote(parts.path.strip("/"))
    is_looked_up_there = "@" in parts.netloc and "authSource" not in parse_qs(parts.query)
    key = uri if is_looked_up_there else parts._replace(path="/").geturl()
    return key, name
