"""`make server-archive`: the server as one file, .dist/mallard-server.tar.gz.

It holds the files a server runs from, as they are committed; the files browsers load, made by
`python -m build.package.assets`; and in install/ what the Ansible roles write, for an installation
by hand. Its bytes depend on nothing but its contents; its digest and a list of those are beside it.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from build.package import assets
from build.package.bill_of_materials import build_bill_of_materials, list_npm, list_packages
from build.stack.command import run, run_main
from build.stack.errors import StackError
from build.stack.paths import DIST, ROOT, RUN

NAME = "mallard-server.tar.gz"
LOCK = "requirements/server.txt"
SOURCES = ("server", "manage.py", LOCK, "LICENSE", "CHANGELOG.md")
WHEELS = RUN / "wheels"
COLLECT, FILES = (Path(__file__).with_name(f"{name}.sh") for name in ("wheels", "server-files"))


@dataclass(frozen=True)
class Entry:
    """A file of the archive."""

    content: bytes
    executable: bool = False


def read_sources(vendor: Path = assets.VENDOR) -> dict[str, Entry]:
    """Return the files of a server by their place in the archive. Raise StackError."""
    loaded = [path for path in vendor.rglob("*") if path.is_file()]
    if not loaded:
        raise StackError(f"{vendor} is empty: run `python -m build.package.assets` first.")
    with tempfile.TemporaryDirectory() as folder:
        run(["sh", FILES, sys.executable, folder, *SOURCES])
        entries = {
            str(path.relative_to(folder)): Entry(path.read_bytes(), os.access(path, os.X_OK))
            for path in Path(folder).rglob("*")
            if path.is_file()
        }
    return entries | {str(path.relative_to(ROOT)): Entry(path.read_bytes()) for path in loaded}


def collect_wheels(versions: Iterable[str]) -> dict[str, Entry]:
    """Return the locked packages for these Pythons (3.13) and a lock of exactly these files."""
    lock_digest = hashlib.sha256((ROOT / LOCK).read_bytes()).hexdigest()[:8]
    paths: list[Path] = []
    for version in versions:
        folder = WHEELS / f"{version}-{lock_digest}"
        folder.mkdir(parents=True, exist_ok=True)
        run(["sh", COLLECT, sys.executable, version, folder])
        paths += folder.glob("*.whl")
    if not paths:
        return {}
    hashes: dict[str, list[str]] = {}
    for path in sorted(paths):
        # A package whose file differs by Python is one line with several hashes.
        requirement, _, digest = requirement_line(path).partition(" ")
        hashes.setdefault(requirement, []).append(digest)
    lines = [" ".join([name, *dict.fromkeys(values)]) for name, values in sorted(hashes.items())]
    lock = ("\n".join(lines) + "\n").encode()
    entries = {f"wheels/{path.name}": Entry(path.read_bytes()) for path in paths}
    return entries | {"wheels/requirements.txt": Entry(lock)}


def requirement_line(wheel: Path) -> str:
    """Return the line of a lock that allows exactly this file."""
    name, version = wheel.name.split("-")[:2]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}"


def pack(entries: dict[str, Entry]) -> bytes:
    """Return a gzipped tar of them; the same contents give the same bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, entry in sorted(entries.items()):
            info = tarfile.TarInfo(name)
            info.size = len(entry.content)
            info.mode = 0o755 if entry.executable else 0o644
            archive.addfile(info, io.BytesIO(entry.content))
    return gzip.compress(raw.getvalue(), 6, mtime=0)


def make(python_versions: Sequence[str] = (), *, directory: Path = DIST) -> Path:
    """Write the archive, a line of its digest, name and version, and its contents (CycloneDX)."""
    entries = read_sources() | collect_wheels(python_versions)
    content = pack(entries)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / NAME
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    path.with_name(f"{NAME}.sha256").write_text(f"{digest}  {NAME}  {version}\n")
    packages = list_contents(entries)
    contents = build_bill_of_materials(NAME, version, digest=digest, components=packages)
    path.with_name(f"{NAME}.cdx.json").write_text(json.dumps(contents, indent=2) + "\n")
    return path


def list_contents(entries: dict[str, Entry]) -> list[dict[str, Any]]:
    """Return the packages of the lock, and of npm those that browsers load parts of."""
    lock, licences = ROOT / LOCK, entries[f"{assets.VENDOR.relative_to(ROOT)}/licences/README"]
    _interpreter, *python = list_packages(Path(sys.executable), lock=lock, frozen_lock=lock)
    return [*python, *list_npm(licences.content.decode())]


def main() -> int:
    parser = argparse.ArgumentParser(prog="build.package.server_archive", description=__doc__)
    about = "packages for these versions of Python (3.13) too; without, they come from PyPI"
    parser.add_argument("--wheels", nargs="*", default=[], metavar="VERSION", help=about)
    path = make(parser.parse_args().wheels)
    changes = run(["git", "status", "--porcelain", "--", *SOURCES, "ansible"])
    digest, _, version = path.with_name(f"{NAME}.sha256").read_text().split()
    print(f"{path.relative_to(ROOT)}: version {version}, sha256 {digest}")
    if changes.strip():
        print("There are changes that are not committed; they are not in it.")
    return 0


if __name__ == "__main__":
    run_main(main)
