"""Collector of this node's MongoDB: load, replication, oplog, databases.

It connects directly, so that each node's agent reports its own member of a replica set. Commands
that the user may not run are skipped; the log names each missing right once.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from agent import clock
from agent.collectors.base import Collector
from agent.collectors.mongo_client import LazyMongoClient, shorten, translate_errors
from agent.config import Config, Secret
from agent.errors import CollectError, SourceAbsent
from agent.logs import RateLimitedLog
from agent.parsers import mongodb
from agent.parsers.values import count, text
from agent.samples import MongoReadings

if TYPE_CHECKING:
    from pymongo import MongoClient

logger = logging.getLogger(__name__)

PORT = 27017
LOCAL_URI = f"mongodb://127.0.0.1:{PORT}/"
AUTO = "auto"
LOOPBACK = ("localhost", "localhost.localdomain", "ip6-localhost", "::1")
UNREADABLE = "MongoDB cannot be read"
TIMEOUT_MS = 3000
QUESTION_MS = 2000
# dbStats queries the file system for every file of a database.
SIZES_INTERVAL_S = 300.0
MAX_DATABASES = 20
OWN_DATABASES = {"admin", "config", "local"}
# Large parts of serverStatus that are not used. Of "metrics" only the branches: excluding all of it
# would exclude "mem" too.
UNUSED = {
    **dict.fromkeys(("locks", "transactions", "tcmalloc", "twoPhaseCommitCoordinator"), 0),
    "metrics": dict.fromkeys(
        ("commands", "operatorCounters", "aggStageCounters", "getLastError", "repl", "query"), False
    ),
}
# Error codes: a missing right; no replica set, so nothing to report.
UNAUTHORIZED = (13, 18, 8000)
NO_REPLICA_SET = (76, 94)
LOGIN = re.compile("auth(source|mechanism)", re.IGNORECASE)
RIGHTS = (
    "db.getSiblingDB('admin').grantRolesToUser(user, ['clusterMonitor',"
    " {role: 'read', db: 'local'}])"
)


def uri_of(config: Config) -> Secret:
    """Return the address of this node's MongoDB, empty where none is configured. Pure."""
    settings = config.discovery
    if settings.mongodb_uri != Secret(AUTO):
        return settings.mongodb_uri
    queue = settings.zonemta_mongodb_uri
    return queue if is_loopback(hosts_of(queue)) else Secret(LOCAL_URI)


def hosts_of(uri: Secret) -> str:
    """Return the hosts of an address without user and password. Pure."""
    return uri.reveal().partition("://")[2].rpartition("@")[2].partition("/")[0]


def without_user(uri: Secret) -> Secret:
    """Return an address without user, password and how they are checked. Pure."""
    scheme, _, rest = uri.reveal().partition("://")
    place, _, query = rest.rpartition("@")[2].partition("?")
    options = [(name, value) for name, value in parse_qsl(query) if not LOGIN.match(name)]
    return Secret(f"{scheme}://{place}{'?' if options else ''}{urlencode(options)}")


def is_loopback(address: str) -> bool:
    """Return whether a host and port mean another machine on each. Pure."""
    try:
        host = urlsplit(f"//{address}").hostname or ""
    except ValueError:
        return False
    return "," not in address and (host in LOOPBACK or host.startswith("127."))


def listens(uri: Secret) -> bool:
    """Return whether the server accepts connections. Checked first, because the client takes 10 MB,
    which a node without MongoDB saves. True for addresses that only the client can resolve."""
    try:
        parts = urlsplit(f"//{hosts_of(uri)}")
        address = parts.hostname or "", parts.port or PORT
        with socket.create_connection(address, timeout=TIMEOUT_MS / 1000):
            return True
    except ConnectionRefusedError:
        return False
    except (OSError, ValueError):
        return True


def server_version(uri: Secret) -> str | None:
    """Return the version of a MongoDB, None when it requires a user. Raises SourceAbsent on a
    refused connection, CollectError when it is none."""
    if not listens(uri):
        raise SourceAbsent("MongoDB does not listen")
    from pymongo import errors  # noqa: PLC0415

    with translate_errors(UNREADABLE), closing(_lazy_client(uri)) as lazy:
        admin = lazy.get().admin
        admin.command("hello", maxTimeMS=QUESTION_MS)
        try:
            info = admin.command("buildInfo", maxTimeMS=QUESTION_MS)
        except errors.OperationFailure:
            return None
        return text(info.get("version"), limit=40)


class MongoCollector(Collector):
    """Collects from one MongoDB."""

    name = "mongodb"

    def __init__(self, config: Config) -> None:
        self._node = config.node_id
        self._uri = uri_of(config)
        self._client = _lazy_client(self._uri)
        self._is_anonymous = False
        self._sizes: list[dict[str, Any]] = []
        self._sizes_at_s = float("-inf")
        self._sizes_refused: list[str] = []
        self._warnings = RateLimitedLog(logger, period_s=24 * 3600.0)

    def collect(self) -> bytes:
        if not self._uri:
            raise SourceAbsent("it is disabled: mongodb_uri of [discovery] is empty")
        if not self._client.is_open and not listens(self._uri):
            raise SourceAbsent("MongoDB does not listen at mongodb_uri of [discovery]")
        from pymongo import errors  # noqa: PLC0415

        with translate_errors(UNREADABLE):
            try:
                return self._collect()
            except errors.ServerSelectionTimeoutError as error:
                if "refused" not in str(error):
                    raise
                raise SourceAbsent(f"MongoDB does not listen ({shorten(error)})") from error
            except errors.OperationFailure as error:
                if error.code not in UNAUTHORIZED:
                    raise
                fix = "Correct user and password in mongodb_uri of [discovery]"
                raise CollectError(f"{UNREADABLE}: {shorten(error)}. {fix}") from error

    def close(self) -> None:
        self._client.close()

    def _collect(self) -> bytes:
        from pymongo import errors  # noqa: PLC0415

        try:
            return self._encode(mongodb=self._readings())
        except errors.OperationFailure as error:
            if error.code not in UNAUTHORIZED or self._is_anonymous:
                raise
            # An arbiter has no users, so nobody can log in; over the loopback address it answers
            # anybody.
            with closing(_lazy_client(without_user(self._uri))) as other:
                if not other.get().admin.command("hello", maxTimeMS=QUESTION_MS).get("arbiterOnly"):
                    raise
            self._use(without_user(self._uri), anonymous=True)
            return self._encode(mongodb=self._readings())

    def _use(self, uri: Secret, *, anonymous: bool) -> None:
        self._client.close()
        self._client, self._is_anonymous = _lazy_client(uri), anonymous

    def _readings(self) -> MongoReadings:
        client = self._client.get()
        command = partial(client.admin.command, maxTimeMS=QUESTION_MS)
        hello = command("hello")
        is_arbiter = bool(hello.get("arbiterOnly"))
        if self._is_anonymous and not is_arbiter:
            self._use(self._uri, anonymous=False)
            raise CollectError(f"{UNREADABLE}: it was an arbiter, and is no longer one")
        refused: list[str] = []
        status = self._part("serverStatus", refused, lambda: command({"serverStatus": 1, **UNUSED}))
        replica_set = oplog = None
        if hello.get("setName"):
            replica_set = self._part(
                "replSetGetStatus", refused, lambda: command("replSetGetStatus")
            )
            if not is_arbiter:  # which has no data
                oplog = self._part("oplog", refused, lambda: _oplog(client))
        if not is_arbiter and clock.monotonic_s() - self._sizes_at_s >= SIZES_INTERVAL_S:
            self._read_sizes(client)
        return mongodb.build_readings(
            hello=hello,
            status=status,
            replica_set=replica_set,
            databases=self._sizes,
            oplog=oplog or (None, None),
            refused=refused + self._sizes_refused,
        )

    def _part(self, name: str, refused: list[str], work: Callable[[], Any]) -> Any:
        """Return the result of a command; None when it is refused, and then add its name to
        `refused`. None too of a member that starts or recovers, which has a state and no data."""
        from pymongo.errors import NotPrimaryError, OperationFailure  # noqa: PLC0415

        try:
            return work()
        except NotPrimaryError:
            return None
        except OperationFailure as error:
            if error.code in NO_REPLICA_SET:
                return None
            refused.append(name)
            fix = f" Give its user the rights: {RIGHTS}." if error.code in UNAUTHORIZED else ""
            self._warnings.warn(
                name, "MongoDB refuses %s: %s.%s", name, shorten(error).rstrip("."), fix
            )
            return None

    def _read_sizes(self, client: MongoClient[dict[str, Any]]) -> None:
        refused: list[str] = []
        names = self._part("listDatabases", refused, client.list_database_names)
        ours = [name for name in names or [] if name not in OWN_DATABASES][:MAX_DATABASES]
        sizes = [
            self._part(
                "dbStats", refused, partial(client[name].command, "dbStats", maxTimeMS=QUESTION_MS)
            )
            for name in ours
        ]
        self._sizes = [size for size in sizes if size]
        self._sizes_refused = sorted(set(refused))
        self._sizes_at_s = clock.monotonic_s()


def _lazy_client(uri: Secret) -> LazyMongoClient:
    return LazyMongoClient(
        uri,
        timeout_ms=TIMEOUT_MS,
        socket_timeout_ms=TIMEOUT_MS,
        directConnection=True,
        unicode_decode_error_handler="replace",
        # A recovering member can be read too.
        readPreference="primaryPreferred",
    )


def _oplog(client: MongoClient[dict[str, Any]]) -> tuple[float | None, int | None]:
    """Return the time span of the oplog in seconds and its maximum size in bytes."""
    entries = client["local"]["oplog.rs"]
    ends = [
        entries.find_one({}, {"ts": 1}, sort=[("$natural", way)], max_time_ms=QUESTION_MS)
        for way in (1, -1)
    ]
    seconds = [end["ts"].time for end in ends if end]
    stages: list[dict[str, Any]] = [
        {"$collStats": {"storageStats": {}}},
        {"$project": {"storageStats.maxSize": 1}},
    ]
    stats = next(iter(entries.aggregate(stages, maxTimeMS=QUESTION_MS)), {})
    limit = count(stats.get("storageStats", {}).get("maxSize"))
    return (float(max(seconds) - min(seconds)) if seconds else None), limit
