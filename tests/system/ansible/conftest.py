"""Booted machines for the roles: only in `make ansible-test`, which needs root and debootstrap."""

import os
from pathlib import Path

import pytest

from build.ansible_test import machine, roots
from build.freeze import SYSTEMS
from build.stack import tools
from build.stack.errors import StackError
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
    """The locked Ansible, or the one MALLARD_ANSIBLE names, to try another version."""
    if other := os.environ.get("MALLARD_ANSIBLE"):
        return Path(other)
    return tools.environment("ansible")


@pytest.fixture(scope="module")
def mail_node(ansible_environment):
    """A Debian 12 with nothing of Mallard."""
    root = roots.make(roots.Recipe("bookworm"))
    with machine.booted(
        root, MACHINES / f"mail-{os.getpid()}", ansible=ansible_environment
    ) as booted:
        yield booted


@pytest.fixture(
    scope="module",
    params=[system for system in SYSTEMS if system.suite != "bookworm"],
    ids=lambda system: system.suite,
)
def other_mail_node(request, ansible_environment):
    """Each other system the agent is for, with nothing of Mallard."""
    try:
        root = roots.make(roots.Recipe(request.param.suite))
    except StackError as error:
        pytest.skip(f"no root of {request.param.name} can be made here: {error}")
    with machine.booted(
        root, MACHINES / f"{request.param.suite}-{os.getpid()}", ansible=ansible_environment
    ) as booted:
        yield booted


@pytest.fixture(scope="module")
def bare_machine(ansible_environment):
    """A Debian 13 with what Debian's installer leaves, and nothing a server needs."""
    root = roots.make(roots.Recipe("trixie", ("python3-apt",)))
    with machine.booted(
        root, MACHINES / f"bare-{os.getpid()}", ansible=ansible_environment
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
