"""PostgreSQL and Redis for the tests that need them, started once for all processes.

A pytest plugin, loaded before Django's settings are: their addresses are fixed first, in
DATABASE_URL and REDIS_URL, and the programs are started when the collected tests are known. A
variable that is set already names a service of the user's own, and none is started for it.
"""

import os
import secrets
import socket
import sys
import time
from collections.abc import Iterable, Iterator

import pytest

from build.stack import postgres, redis
from build.stack.errors import StackError
from build.stack.ports import LOOPBACK
from build.stack.supervisor import Supervisor, temporary_run
from tests.template import TEMPLATE, drop_template

#: Folders whose tests use neither, or start programs of their own.
INDEPENDENT = ("tests/unit/", "tests/system/agent/", "tests/system/build/")
SERVICES_KEY = pytest.StashKey["Services"]()


class Services:
    """The programs of one run of tests: none, until a test needs them."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._starts = {
            name: start
            for name, start in {
                "DATABASE_URL": lambda port: postgres.start(
                    supervisor, supervisor.directory, port=port, durable=False
                ),
                "REDIS_URL": lambda port: redis.start(
                    supervisor, supervisor.directory, port=port, durable=False
                ),
            }.items()
            if name not in os.environ
        }
        # Bound until the program takes over, so that nothing else gets the port meanwhile.
        self._reserved = {name: socket.create_server((LOOPBACK, 0)) for name in self._starts}
        for name, holder in self._reserved.items():
            port = holder.getsockname()[1]
            os.environ[name] = (
                postgres.url_at(supervisor.directory, port)
                if name == "DATABASE_URL"
                else redis.url_at(port)
            )

    def start_for(self, nodeids: Iterable[str]) -> None:
        """Start everything if one of these tests needs it. End the run when that fails."""
        if all(nodeid.startswith(INDEPENDENT) for nodeid in nodeids):
            return
        for name, start in self._starts.items():
            started_at = time.monotonic()
            holder = self._reserved.pop(name)
            port = holder.getsockname()[1]
            holder.close()
            try:
                start(port)
            except StackError as error:
                pytest.exit(f"mallard: {error}", returncode=1)
            seconds = time.monotonic() - started_at
            print(f"\nmallard: for {name} ({seconds:.1f} s)", file=sys.stderr, flush=True)
        self._starts = {}


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[TEMPLATE] = f"mallard_template_{secrets.token_hex(4)}"
        if "DATABASE_URL" in os.environ:
            early_config.add_cleanup(drop_template)
        run = temporary_run()
        early_config.stash[SERVICES_KEY] = Services(run.__enter__())
        early_config.add_cleanup(lambda: (run.__exit__(None, None, None), None)[1])
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node, ids) -> None:
    """Start what the workers' tests need, before the first of them gets one to run."""
    node.config.stash[SERVICES_KEY].start_for(ids)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the tests of this process need."""
    config = session.config
    if SERVICES_KEY in config.stash and not config.option.collectonly:
        config.stash[SERVICES_KEY].start_for(item.nodeid for item in session.items)
