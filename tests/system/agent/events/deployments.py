"""MongoDB as a set of several members, and alone without a set."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pymongo.errors import PyMongoError

from build.deadline import Deadline
from build.stack import mongodb
from build.stack.errors import StartError
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Program, Running, Supervisor
from tests.programs import takes_writes

ELECTED_WITHIN_SECONDS = 60


def start_alone(supervisor: Supervisor, directory: Path) -> mongodb.MongoDB:
    """Start one that is no replica set, and so has no change stream."""
    port = free_port()
    return mongodb.MongoDB(port=port, running=supervisor.start(member(directory, port)))


def member(directory: Path, port: int, *options: str) -> Program:
    """Return a MongoDB with its data and its name after the port."""
    name = f"mongodb-{port}"
    return Program(
        name=name,
        argv=[*mongodb.command(directory / name, port), *options],
        is_ready=lambda: answers(port),
        ready_within_s=60,
    )


@dataclass(frozen=True)
class ReplicaSet:
    """A started set of several members."""

    members: Mapping[int, Running]  # by port

    def uri_of(self, database: str) -> str:
        """Return the address of all members with a database in its path."""
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in self.members)
        return f"mongodb://{hosts}/{database}?replicaSet={mongodb.REPLICA_SET}"

    def primary(self) -> Running:
        """Return the member that takes writes. Raise StopIteration when none does now."""
        return next(self.members[port] for port in self.members if takes_writes(port))


def start_set(supervisor: Supervisor, directory: Path, *, members: int = 3) -> ReplicaSet:
    """Start a set of so many members; one is primary when this returns."""
    ports = [free_port() for _ in range(members)]
    running = {
        port: supervisor.spawn(
            member(directory, port, "--replSet", mongodb.REPLICA_SET, *mongodb.OPLOG)
        )
        for port in ports
    }
    for each in running.values():
        each.wait_until_ready()
    hosts = [{"_id": n, "host": f"{LOOPBACK}:{port}"} for n, port in enumerate(ports)]
    with mongodb.connect(ports[0]) as client:
        client.admin.command(
            "replSetInitiate",
            {
                "_id": mongodb.REPLICA_SET,
                "members": hosts,
                "settings": {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500},
            },
        )
    deadline = Deadline(ELECTED_WITHIN_SECONDS)
    while not any(takes_writes(port) for port in ports):
        if deadline.is_over:
            message = f"no member of the set was elected within {ELECTED_WITHIN_SECONDS} s"
            raise StartError(message)
        time.sleep(0.2)
    return ReplicaSet(running)


def answers(port: int) -> bool:
    with mongodb.connect(port) as client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
    return True
