"""`make server-archive`: the server as one file, .dist/mallard-server.tar.gz, with its digest.

    python -m build.server_archive                       as it is, packages come from PyPI
    python -m build.server_archive --wheels 3.13         with the packages for that Python in it

It holds what a server runs from: server/, manage.py and the lock as they are committed, and the
files browsers load, which `make assets` made. Its bytes depend on nothing but its contents.
"""

import argparse
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from build.stack.errors import StackError
from build.stack.paths import ROOT, RUN

DIST = ROOT / ".dist"
NAME = "mallard-server.tar.gz"
LOCK = "requirements/server.txt"
SOURCES = ("server", "manage.py", LOCK, "LICENSE", "CHANGELOG.md")
VENDOR = ROOT / "server" / "dashboard" / "static" / "vendor"
WHEELS = RUN / "wheels"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
STEP_TIMEOUT_SECONDS = 600
SHOWN_LINES = 20


@dataclass(frozen=True)
class Entry:
    """A file of the archive."""

    content: bytes
    executable: bool = False


def sources() -> dict[str, Entry]:
    """Return the files of a server by their place in the archive. Raises StackError."""
    archive = _output(["git", "archive", "--format=tar", "HEAD", "--", *SOURCES])
    found: dict[str, Entry] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as committed:
        for member in committed:
            if file := committed.extractfile(member):
                found[member.name] = Entry(file.read(), executable=bool(member.mode & 0o100))
    vendor = [path for path in VENDOR.rglob("*") if path.is_file()]
    if not vendor:
        raise StackError(f"{VENDOR.relative_to(ROOT)} is empty: run make assets first.")
    return found | {str(path.relative_to(ROOT)): Entry(path.read_bytes()) for path in vendor}


def wheels(versions: Iterable[str]) -> dict[str, Entry]:
    """Return the locked packages for these Pythons (3.13) and a lock of exactly these files.

    What there is only as source is built here; that must come to a wheel for every machine.
    """
    found: list[Path] = []
    for version in versions:
        # Of another lock, files would be left that nobody asked for.
        lock_digest = hashlib.sha256((ROOT / LOCK).read_bytes()).hexdigest()[:8]
        folder = WHEELS / f"{version}-{lock_digest}"
        folder.mkdir(parents=True, exist_ok=True)
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        pip = [sys.executable, "-m", "pip"]
        _output(
            [
                *(*pip, "download", "--quiet", "--dest", str(folder), "--no-deps"),
                *("--require-hashes", "--python-version", version, "--implementation", "cp"),
                *(*platforms, "--requirement", LOCK),
            ]
        )
        for source in folder.glob("*.tar.gz"):
            _output(
                [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
            )
        found += folder.glob("*.whl")
    if not found:
        return {}
    lock = "\n".join(_together(map(requirement, sorted(found)))) + "\n"
    entries = {f"wheels/{path.name}": Entry(path.read_bytes()) for path in found}
    return entries | {"wheels/requirements.txt": Entry(lock.encode())}


def requirement(wheel: Path) -> str:
    """Return the line that asks for exactly this file."""
    name, version = wheel.name.split("-")[:2]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}"


def _together(lines: Iterable[str]) -> Iterable[str]:
    # A package whose file differs by Python is one line with several hashes.
    hashes: dict[str, list[str]] = {}
    for line in lines:
        wanted, _, digest = line.partition(" ")
        hashes.setdefault(wanted, []).append(digest)
    return [" ".join([wanted, *dict.fromkeys(its)]) for wanted, its in sorted(hashes.items())]


def pack(files: dict[str, Entry]) -> bytes:
    """Return a gzipped tar of them; the same contents give the same bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, entry in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(entry.content)
            info.mode = 0o755 if entry.executable else 0o644
            archive.addfile(info, io.BytesIO(entry.content))
    return gzip.compress(raw.getvalue(), 6, mtime=0)


def version() -> str:
    """Return the project's version."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def make(python_versions: Sequence[str] = (), *, directory: Path = DIST) -> Path:
    """Write the archive and, beside it, a line of its digest, name and version. Return its path."""
    content = pack(sources() | wheels(python_versions))
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / NAME
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    path.with_name(f"{NAME}.sha256").write_text(f"{digest}  {NAME}  {version()}\n")
    return path


def _output(argv: Sequence[str]) -> bytes:
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, timeout=STEP_TIMEOUT_SECONDS, check=False
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        said = "\n".join(lines[-SHOWN_LINES:])
        raise StackError(f"{' '.join(argv[:4])} failed with code {done.returncode}:\n{said}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Make it; return the exit code."""
    parser = argparse.ArgumentParser(prog="build.server_archive", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--wheels", nargs="*", default=[], metavar="VERSION")
    options = parser.parse_args(arguments)
    try:
        path = make(options.wheels)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    digest = path.with_name(f"{NAME}.sha256").read_text().split()[0]
    size_mb = path.stat().st_size / 1e6
    print(f"{path.relative_to(ROOT)}: {size_mb:.1f} MB, version {version()}, sha256 {digest}")
    if _output(["git", "status", "--porcelain", "--", *SOURCES]).strip():
        print("There are changes that are not committed; they are not in it.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
