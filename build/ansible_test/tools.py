"""Ansible, ansible-lint and yamllint in an environment of their own, from their own lock."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from build.stack.errors import StackError
from build.stack.paths import ROOT, RUN

LOCK = ROOT / "requirements" / "ansible.txt"
VENV = RUN / "ansible" / "venv"
INSTALL_TIMEOUT_SECONDS = 600


def environment() -> Path:
    """Return the environment, made anew when the lock has changed. Raises StackError."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    stamp = VENV / ".ready"
    if stamp.exists() and stamp.read_text() == wanted:
        return VENV
    shutil.rmtree(VENV, ignore_errors=True)
    for argv in (
        [sys.executable, "-m", "venv", str(VENV)],
        [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet",
         "--disable-pip-version-check", "--require-hashes", "-r", str(LOCK)],
    ):  # fmt: skip
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_SECONDS, check=False
        )
        if done.returncode:
            said = "\n".join(done.stderr.splitlines()[-20:])
            raise StackError(f"Ansible cannot be installed:\n{said}")
    stamp.write_text(wanted)
    return VENV
