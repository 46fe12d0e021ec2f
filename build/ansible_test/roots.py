"""Roots that boot: made once with debootstrap, never written to afterwards."""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from build.freeze import SYSTEMS
from build.stack.errors import MissingError, StackError
from build.stack.paths import RUN

ROOTS = RUN / "ansible" / "roots"
DEBOOTSTRAP_TIMEOUT_SECONDS = 900
#: What makes a minimal root a machine: systemd, SSH, and the Python that Ansible's modules need.
MACHINE = ("systemd", "systemd-sysv", "dbus", "python3", "openssh-server", "ca-certificates")


@dataclass(frozen=True)
class Recipe:
    """A root: a suite of SYSTEMS, what it has beside MACHINE, and what no service of it starts."""

    suite: str
    packages: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where it lies; another list of packages is another root."""
        digest = hashlib.sha256(" ".join((*MACHINE, *self.packages)).encode()).hexdigest()[:8]
        return ROOTS / f"{self.suite}-{digest}"


def missing() -> list[str]:
    """Return what this machine lacks for making and booting roots."""
    tools = ("debootstrap", "unshare", "nsenter", "ssh", "ssh-keygen")
    return [tool for tool in tools if not shutil.which(tool)]


def make(recipe: Recipe) -> Path:
    """Return the root, made if it is not there. Raises StackError with debootstrap's words."""
    if lacks := missing():
        raise MissingError(f"No machine can be booted here without {', '.join(lacks)}.")
    root = recipe.path
    done = root.with_name(f"{root.name}.done")
    if done.exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    system = next(system for system in SYSTEMS if system.suite == recipe.suite)
    _run([str(word) for word in system.debootstrap(root, include=MACHINE)])
    if recipe.packages:
        _install(root, recipe.packages)
    done.touch()
    return root


def _install(root: Path, packages: tuple[str, ...]) -> None:
    # Nothing starts while the root is made: it runs on this machine's network.
    policy = root / "usr" / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    script = (
        'mount -t proc proc "$1/proc"; cp /etc/resolv.conf "$1/etc/resolv.conf";'
        ' root=$1; shift; exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin'
        " DEBIAN_FRONTEND=noninteractive"
        ' sh -c "apt-get update -q && apt-get install -q -y --no-install-recommends $*"'
    )
    _run(["unshare", "--mount", "sh", "-c", f"set -e; {script}", "install", str(root), *packages])
    policy.unlink()


def _run(argv: list[str]) -> None:
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=DEBOOTSTRAP_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise StackError(f"{argv[0]} failed with code {done.returncode}:\n{said}")
