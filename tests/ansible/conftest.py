"""Booted machines for the roles: only in `make ansible-test`, which needs root and debootstrap."""

import os

import pytest

from build.ansible_test import machine, roots
from build.stack import tools
from build.stack.paths import RUN

MACHINES = RUN / "ansible" / "machines"


def pytest_collection_modifyitems(items):
    if "MALLARD_MACHINES" in os.environ:
        return
    for item in items:
        if "ansible_environment" in item.fixturenames:
            item.add_marker(pytest.mark.skip(reason="boots machines: make ansible-test"))


@pytest.fixture(scope="session")
def ansible_environment():
    return tools.environment("ansible")


@pytest.fixture(scope="module")
def mail_node(ansible_environment):
    """A Debian 12 with nothing of Mallard."""
    root = roots.make(roots.Recipe("bookworm"))
    with machine.booted(
        root, MACHINES / f"mail-{os.getpid()}", ansible=ansible_environment
    ) as booted:
        yield booted


@pytest.fixture(scope="module")
def server_machine(ansible_environment):
    """A Debian 13 with Debian's own packages of all a server needs, which no network brings."""
    packages = (
        *("curl", "nginx", "openssl", "postgresql-17", "postgresql-17-timescaledb"),
        *("python3-apt", "python3-venv", "redis-server"),
    )
    root = roots.make(roots.Recipe("trixie", packages))
    with machine.booted(
        root, MACHINES / f"server-{os.getpid()}", ansible=ansible_environment
    ) as booted:
        # So old the lists may be before they would be read again.
        booted.run("mkdir", "-p", "/var/lib/apt/periodic")
        booted.run("touch", "/var/lib/apt/periodic/update-success-stamp")
        yield booted
