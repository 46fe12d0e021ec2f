"""Tools in environments of their own, each from its own lock: nobody's set-up waits for them."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from build.stack.errors import StackError
from build.stack.paths import ROOT, RUN

INSTALL_TIMEOUT_SECONDS = 600


def environment(name: str) -> Path:
    """Return the environment of requirements/`name`.txt, made anew when that lock has changed.

    Raises StackError.
    """
    lock = ROOT / "requirements" / f"{name}.txt"
    venv = RUN / name / "venv"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = venv / ".ready"
    if stamp.exists() and stamp.read_text() == wanted:
        return venv
    shutil.rmtree(venv, ignore_errors=True)
    for argv in (
        [sys.executable, "-m", "venv", str(venv)],
        [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet",
         "--disable-pip-version-check", "--require-hashes", "-r", str(lock)],
    ):  # fmt: skip
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_SECONDS, check=False
        )
        if done.returncode:
            said = "\n".join(done.stderr.splitlines()[-20:])
            raise StackError(f"{lock.name} cannot be installed:\n{said}")
    stamp.write_text(wanted)
    return venv
