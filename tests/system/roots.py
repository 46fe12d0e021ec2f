"""Minimal roots of the supported systems: made once with debootstrap, never written to afterwards.

They need root, so tests that use them run only where MALLARD_MACHINES is set.
"""

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from build.stack import claim
from build.stack.command import run
from build.stack.errors import MissingError, StackError
from build.stack.paths import RUN

ROOTS = RUN / "ansible" / "roots"
DEBOOTSTRAP_TIMEOUT_SECONDS = 900
DEBOOTSTRAP = Path("/usr/sbin/debootstrap")
SCRIPTS = Path("/usr/share/debootstrap/scripts")
TOOLS = ("debootstrap", "unshare", "nsenter", "ssh", "ssh-keygen")
#: Packages that make a minimal root a machine: systemd, SSH, and Python for Ansible's modules.
MACHINE = ("systemd", "systemd-sysv", "dbus", "python3", "openssh-server", "ca-certificates")


@dataclass(frozen=True)
class System:
    """A supported system, as debootstrap makes it. `script` serves where it knows no such suite."""

    name: str
    suite: str
    script: str

    @property
    def mirror(self) -> str:
        """The mirror debootstrap itself would take, which it wants named beside a script."""
        script = (SCRIPTS / self.script).read_text()
        match = re.search(r"default_mirror (\S+//archive\.\S+)", script) or re.search(
            r'^DEF_MIRROR="(.+)"$', DEBOOTSTRAP.read_text(), re.MULTILINE
        )
        if match is None:
            raise StackError(f"{DEBOOTSTRAP} names no mirror for {self.name}.")
        return match[1]


SYSTEMS = {
    system.suite: system
    for system in (
        System("Debian 12", "bookworm", "sid"),
        System("Debian 13", "trixie", "sid"),
        System("Ubuntu 22.04", "jammy", "gutsy"),
        System("Ubuntu 24.04", "noble", "gutsy"),
    )
}


def require_machines() -> None:
    """Skip the test unless it was started to boot machines: see ansible/README.md."""
    if "MALLARD_MACHINES" not in os.environ:
        pytest.skip("boots machines: as root, MALLARD_MACHINES=1")


def make(suite: str, packages: tuple[str, ...] = (), *, base: tuple[str, ...] = MACHINE) -> Path:
    """Return a root of `suite` with these packages, none of whose services start by themselves.

    Raise StackError with debootstrap's words, MissingError when a tool is not installed.
    """
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        raise MissingError(f"No machine can be booted here without {', '.join(missing)}.")
    digest = hashlib.sha256(" ".join((*base, *packages)).encode()).hexdigest()[:8]
    root = ROOTS / f"{suite}-{digest}"  # another list of packages is another root
    with claim.hold_lock(root.with_name(f"{root.name}.lock")):
        complete = root.with_name(f"{root.name}.done")
        if not complete.exists():
            _make(root, suite, packages, base)
            complete.touch()
    return root


def _make(root: Path, suite: str, packages: tuple[str, ...], base: tuple[str, ...]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    system = SYSTEMS[suite]
    include = [f"--include={','.join(base)}"] if base else []
    script = [] if (SCRIPTS / suite).exists() else [SCRIPTS / system.script]
    run(
        ["debootstrap", "--variant=minbase", *include, suite, root, system.mirror, *script],
        timeout_s=DEBOOTSTRAP_TIMEOUT_SECONDS,
    )
    if packages:
        _install(root, packages)


def _install(root: Path, packages: tuple[str, ...]) -> None:
    # Nothing starts while the root is made: it runs on this machine's network.
    policy = root / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    script = (
        'set -e; mount -t proc proc "$1/proc"; cp /etc/resolv.conf "$1/etc/resolv.conf";'
        ' root=$1; shift; exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin'
        " DEBIAN_FRONTEND=noninteractive"
        ' sh -c "apt-get update -q && apt-get install -q -y --no-install-recommends $*"'
    )
    run(
        ["unshare", "--mount", "sh", "-c", script, "install", root, *packages],
        timeout_s=DEBOOTSTRAP_TIMEOUT_SECONDS,
    )
    policy.unlink()
