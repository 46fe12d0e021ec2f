"""The agent as one file runs in a minimal root of each supported system."""

import os
import shutil

import pytest

from build.package import freeze
from build.stack.command import run
from build.stack.errors import StackError
from tests.system import roots

#: A mount namespace of its own: /proc for the collector, and a /tmp from which nothing runs.
INSIDE = (
    'set -e; mount -t proc proc "$1/proc"; mount -t tmpfs -o noexec tmpfs "$1/tmp";'
    ' root=$1; shift; exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root'
    " DASHBOARD_URL=https://dashboard.example API_KEY=none NODE_ID=verify"
    ' /usr/local/bin/mallard-agent "$@"'
)


@pytest.fixture(scope="module", params=roots.SYSTEMS)
def root(request, tmp_path_factory):
    """A minimal root of one system with the binary in it; Debian 12's must be there."""
    roots.require_machines()
    if os.geteuid() != 0:
        pytest.fail("minimal roots need root")
    try:
        made = roots.make(request.param, base=())
    except StackError as error:
        if request.param == "bookworm":
            raise
        pytest.skip(f"no root of {request.param} can be made here: {error}")
    binary = freeze.freeze(freeze.base_python(), again=False).path
    shutil.copy2(binary, made / "usr" / "local" / "bin" / "mallard-agent")
    (made / "var" / "lib" / "mallard-agent").mkdir(mode=0o750, exist_ok=True)
    return made


@pytest.mark.parametrize(
    ("command", "output"), [("version", "."), ("check-config", " is valid."), ("once", '"cpu')]
)
def test_the_binary_runs_on_a_minimal_system(root, command, output):
    assert output in run(["unshare", "--mount", "sh", "-c", INSIDE, "verify", root, command])
