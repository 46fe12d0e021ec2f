"""`make ansible-test`: lint the roles, then run them on booted Debian machines and look.

    python -m build.ansible_test lint        yamllint and ansible-lint, profile production
    python -m build.ansible_test [ARGUMENTS] lint, then tests/system/ansible; ARGUMENTS go to pytest

Machines need root, debootstrap and the SSH client; the agent's binary is made if it is not there.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

from build import freeze
from build.stack import tools
from build.stack.errors import MissingError, StackError
from build.stack.paths import ROOT

ANSIBLE = ROOT / "ansible"
LINT_TIMEOUT_SECONDS = 300


def lint() -> int:
    """Check form and habits of all below ansible/; return the exit code."""
    venv = tools.environment("ansible")
    path = os.pathsep.join([str(venv / "bin"), os.environ.get("PATH", "")])
    code = 0
    for argv in (
        [str(venv / "bin" / "yamllint"), "--strict", "."],
        [str(venv / "bin" / "ansible-lint"), "--offline", "--nocolor", "-q"],
    ):
        done = subprocess.run(
            argv,
            cwd=ANSIBLE,
            env={**os.environ, "PATH": path, "ANSIBLE_LOCAL_TEMP": str(venv / "tmp")},
            timeout=LINT_TIMEOUT_SECONDS,
            check=False,
        )
        code = code or done.returncode
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = lint()
        if words == ["lint"] or code:
            return code
        if os.geteuid() != 0:
            raise MissingError("Machines are booted by root alone (sudo make ansible-test).")
        freeze.freeze(freeze.base_python(), again=False)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "tests/system/ansible", *words],
            cwd=ROOT,
            env={**os.environ, "MALLARD_MACHINES": "1"},
            check=False,
        ).returncode
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
