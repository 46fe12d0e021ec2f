"""`make server-archive`: the server as one file, .dist/mallard-server.tar.gz, with its digest.

    python -m build.server_archive                       as it is, packages come from PyPI
    python -m build.server_archive --wheels 3.13         with the packages for that Python in it

It holds what a server runs from: the sources git knows of server/, manage.py, the lock, and the
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


def sources() -> dict[str, Path]:
    """Return the files of a server by their place in the archive. Raises StackError."""
    listed = _run(["git", "ls-files", "-z", "--", *SOURCES])
    found = {name: ROOT / name for name in listed.split("\0") if name}
    vendor = [path for path in VENDOR.rglob("*") if path.is_file()]
    if not vendor:
        raise StackError(f"{VENDOR.relative_to(ROOT)} is empty: run make assets first.")
    found |= {str(path.relative_to(ROOT)): path for path in vendor}
    # What was removed and not yet committed is not there.
    return {name: path for name, path in found.items() if path.is_file()}


def wheels(versions: Iterable[str]) -> dict[str, Path]:
    """Return the locked packages for these Pythons (3.13) and a lock of exactly these files.

    What there is only as source is built here; that must come to a wheel for every machine.
    """
    found: dict[str, Path] = {}
    for version in versions:
        # Of another lock, files would be left that nobody asked for.
        lock_digest = hashlib.sha256((ROOT / LOCK).read_bytes()).hexdigest()[:8]
        folder = WHEELS / f"{version}-{lock_digest}"
        folder.mkdir(parents=True, exist_ok=True)
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        pip = [sys.executable, "-m", "pip"]
        _run(
            [
                *(*pip, "download", "--quiet", "--dest", str(folder), "--no-deps"),
                *("--require-hashes", "--python-version", version, "--implementation", "cp"),
                *(*platforms, "--requirement", LOCK),
            ]
        )
        for source in folder.glob("*.tar.gz"):
            _run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)])
        found |= {f"wheels/{path.name}": path for path in folder.glob("*.whl")}
    if found:
        lock = WHEELS / "requirements.txt"
        lock.write_text("\n".join(_together(map(requirement, found.values()))) + "\n")
        found["wheels/requirements.txt"] = lock
    return found


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


def pack(files: dict[str, Path]) -> bytes:
    """Return a gzipped tar of them; the same contents give the same bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in sorted(files.items()):
            info = tarfile.TarInfo(name)
            content = path.read_bytes()
            info.size = len(content)
            info.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            archive.addfile(info, io.BytesIO(content))
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


def _run(argv: Sequence[str]) -> str:
    done = subprocess.run(
        argv, cwd=ROOT, capture_output=True, text=True, timeout=STEP_TIMEOUT_SECONDS, check=False
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-SHOWN_LINES:])
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
    if _run(["git", "status", "--porcelain", "--", *SOURCES]).strip():
        print("It holds changes that are not committed.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
