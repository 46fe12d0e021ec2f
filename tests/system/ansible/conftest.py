"""Booted machines for the roles: only with MALLARD_MACHINES, as root; needs debootstrap."""

import os
from pathlib import Path

import pytest

from build.package import freeze
from build.stack.errors import StackError
from build.stack.packages import install_python
from build.stack.paths import RUN
from tests.system import roots
from tests.system.ansible import machine

MACHINES = RUN / "ansible" / "machines"


@pytest.fixture(scope="session")
def ansible_environment():
    """The locked Ansible, or the one MALLARD_ANSIBLE names, to try another version."""
    roots.require_machines()
    if os.geteuid() != 0:
        pytest.fail("machines are booted by root alone")
    freeze.freeze(freeze.base_python(), again=False)
    if other := os.environ.get("MALLARD_ANSIBLE"):
        return Path(other)
    return install_python("ansible")


@pytest.fixture(scope="module")
def mail_node(ansible_environment):
    """A Debian 12 with nothing of Mallard."""
    root = roots.make("bookworm")
    with machine.boot(
        root, MACHINES / f"mail-{os.getpid()}", ansible=ansible_environment
    ) as booted:
        yield booted


@pytest.fixture(
    scope="module",
    params=[suite for suite in roots.SYSTEMS if suite != "bookworm"],
)
def other_mail_node(request, ansible_environment):
    """Each other system the agent is for, with nothing of Mallard."""
    try:
        root = roots.make(request.param)
    except StackError as error:
        pytest.skip(f"no root of {request.param} can be made here: {error}")
    with machine.boot(
        root, MACHINES / f"{request.param}-{os.getpid()}", ansible=ansible_environment
    ) as booted:
        yield booted


@pytest.fixture(scope="module")
def bare_machine(ansible_environment):
    """A Debian 13 as Debian's installer leaves it, with nothing a server needs."""
    root = roots.make("trixie", ("python3-apt",))
    with machine.boot(
        root, MACHINES / f"bare-{os.getpid()}", ansible=ansible_environment
    ) as booted:
        yield booted


@pytest.fixture(scope="module")
def server_machine(ansible_environment):
    """A Debian 13 with Debian's own packages of all a server needs, which no network brings."""
    packages = (
        *("curl", "gpg", "nginx", "openssl", "postgresql-17", "postgresql-17-timescaledb"),
        *("python3-apt", "python3-venv", "redis-server"),
    )
    root = roots.make("trixie", packages)
    with machine.boot(
        root, MACHINES / f"server-{os.getpid()}", ansible=ansible_environment
    ) as booted:
        # So old the lists may be before they would be read again.
        booted.run("mkdir", "-p", "/var/lib/apt/periodic")
        booted.run("touch", "/var/lib/apt/periodic/update-success-stamp")
        yield booted
