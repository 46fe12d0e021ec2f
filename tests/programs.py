"""Real programs as tests run them and look into them."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from pymongo.errors import PyMongoError

from build.stack.mongodb import MongoDB, connect
from build.stack.supervisor import Supervisor

Options = ParamSpec("Options")
Service = TypeVar("Service")


@contextlib.contextmanager
def run_service(
    start: Callable[Concatenate[Supervisor, Path, Options], Service],
    directory: Path,
    *args: Options.args,
    **options: Options.kwargs,
) -> Iterator[Service]:
    """Run one service, with a supervisor of its own: `run_service(redis.start, directory)`."""
    with Supervisor(directory) as supervisor:
        yield start(supervisor, directory, *args, **options)


def parse_queue_id(reply: str) -> str | None:
    """Return ZoneMTA's id of a message, from "250 Message queued as 1a2b…"; None if refused."""
    match = re.match(r"250.*queued as (\S+)", reply)
    return match[1] if match else None


def enable_pre_images(mongodb: MongoDB, database: str, collections: tuple[str, ...]) -> None:
    """Make changes of these collections carry the document as it was before."""
    with connect(mongodb.port) as client:
        there = client[database].list_collection_names()
        for name in collections:
            if name not in there:
                client[database].create_collection(name)
            client[database].command(
                {"collMod": name, "changeStreamPreAndPostImages": {"enabled": True}}
            )


def takes_writes(port: int) -> bool:
    """Return whether it is the primary now."""
    with connect(port) as client:
        try:
            return bool(client.admin.command("hello").get("isWritablePrimary"))
        except PyMongoError:
            return False
