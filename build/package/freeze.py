"""`make agent-binary`: the agent as one file, .dist/mallard-agent, with its digest and contents.

A clean environment gets exactly what requirements/build.txt names, hashes checked; PyInstaller
makes a folder; everything in it is checked against the oldest supported system; head and folder
become one file. PyInstaller's own one-file mode unpacks anew at every start, where it may be noexec
(/run is), runs as two processes, and leaves the files of a killed one. `agent-head.sh` unpacks once
per version, where the agent keeps its state.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build.package.bill_of_materials import build_bill_of_materials, list_libraries, list_packages
from build.stack import claim
from build.stack.command import run, run_main
from build.stack.errors import MissingError, StackError
from build.stack.paths import DIST, ROOT, RUN, write_file

WORK = RUN / "freeze"
LOCK = ROOT / "requirements" / "build.txt"
FROZEN_LOCK = ROOT / "requirements" / "agent.txt"
PACKAGE = Path(__file__).parent
HEAD = PACKAGE / "agent-head.sh"
NAME = "mallard-agent"
FREEZE_WITHIN_S = 1800.0

# Ubuntu 22.04's, the oldest of the supported systems.
MAX_GLIBC = (2, 35)
#: A marker instead of a version: relative relocations, which glibc reads from 2.36 on.
RELATIVE_RELOCATIONS = "GLIBC_ABI_DT_RELR"
#: Libraries the program may take from the system: glibc. All others must be in the file.
GLIBC_LIBRARIES = {"ld-linux-x86-64.so.2", "libc.so.6", "libdl.so.2", "libm.so.6"}
GLIBC_LIBRARIES |= {"libpthread.so.0", "librt.so.1", "libutil.so.1"}
ELF = b"\x7fELF"


@dataclass(frozen=True)
class Needs:
    """The needs of one ELF file: libraries, and the newest GLIBC version of a symbol."""

    libraries: frozenset[str]
    glibc: tuple[int, ...]


@dataclass(frozen=True)
class Binary:
    """A finished binary; `max_glibc` is the newest version a file of it needs."""

    path: Path
    size_bytes: int
    max_glibc: tuple[int, ...]


def parse_objdump(text: str) -> Needs:
    versions = re.findall(r"\bGLIBC_(\d+(?:\.\d+)+)", text)
    glibc = max((tuple(map(int, version.split("."))) for version in versions), default=(0,))
    if RELATIVE_RELOCATIONS in text:
        glibc = max(glibc, (2, 36))
    return Needs(frozenset(re.findall(r"^\s+NEEDED\s+(\S+)", text, re.MULTILINE)), glibc)


def find_problems(needs_by_path: Mapping[str, Needs], *, present: set[str]) -> list[str]:
    """Return what the oldest system lacks; `present` are the names of all files in the tree."""
    problems: list[str] = []
    for path, needs in sorted(needs_by_path.items()):
        if needs.glibc > MAX_GLIBC:
            problems.append(
                f"{path} needs GLIBC {format_version(needs.glibc)},"
                f" and may need at most {format_version(MAX_GLIBC)}"
            )
        problems += [
            f"{path} needs {library}, which is neither in the file nor part of glibc"
            for library in sorted(needs.libraries - GLIBC_LIBRARIES - present)
        ]
    return problems


def format_version(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def find_missing_tools(python: Path) -> list[str]:
    """Return what a build needs and this machine lacks, each with its remedy."""
    missing = [
        f"{tool} (apt-get install binutils)"
        for tool in ("objdump", "objcopy", "strip")
        if not shutil.which(tool)
    ]
    # A distribution's interpreter carries its library inside; the frozen one needs it as a file.
    code = "from sysconfig import get_config_var as v; print(v('LIBDIR'), v('INSTSONAME'))"
    folder, library = run([python, "-c", code]).split()
    if not Path(folder, library).exists():
        missing.append(f"{library} (apt-get install {library.partition('.so')[0]})")
    return missing


def base_python() -> Path:
    """Return the interpreter that is frozen: AGENT_PYTHON, or the one .venv was made with."""
    base = str(getattr(sys, "_base_executable", sys.executable))
    return Path(os.environ.get("AGENT_PYTHON") or base).resolve()


def freeze(python: Path, *, again: bool = True) -> Binary:
    """Make the binary in .dist. Without `again` one made from the same sources is enough."""
    if missing := find_missing_tools(python):
        raise MissingError(f"A binary cannot be made without {', '.join(missing)}.")
    # A second one would begin by removing the files the first works on.
    with claim.hold_lock(WORK / "lock"):
        path, stamp, checked = DIST / NAME, WORK / "inputs", WORK / "checked.json"
        inputs = hash_inputs(python)
        if again or not path.exists() or not stamp.exists() or stamp.read_text() != inputs:
            stamp.unlink(missing_ok=True)
            checked.write_text(json.dumps(_make(python, path)))
            stamp.write_text(inputs)
        return Binary(path, path.stat().st_size, tuple(json.loads(checked.read_text())))


def hash_inputs(python: Path) -> str:
    sources = [*(ROOT / "agent").rglob("*.py"), *PACKAGE.iterdir(), LOCK]
    digest = hashlib.sha256((run([python, "-VV"]) + read_build_id()).encode())
    for path in sorted(path for path in sources if path.is_file()):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _make(python: Path, path: Path) -> tuple[int, ...]:
    DIST.mkdir(exist_ok=True)
    write_file(WORK / "build-id", read_build_id().encode(), mode=0o644)
    run(["sh", PACKAGE / "freeze.sh", python, WORK], timeout_s=FREEZE_WITHIN_S)
    clean, tree = WORK / "venv" / "bin" / "python", WORK / "dist" / "agent"
    glibc = check(tree)
    payload = pack(tree)
    content = build_head(payload) + payload
    digest = hashlib.sha256(content).hexdigest()
    components = [
        *list_packages(clean, lock=LOCK, frozen_lock=FROZEN_LOCK),
        *list_libraries(tree, WORK / "work" / "agent" / "COLLECT-00.toc"),
    ]
    contents = build_bill_of_materials(NAME, agent_version(), digest=digest, components=components)
    write_file(path, content, mode=0o755)
    write_file(DIST / f"{NAME}.sha256", f"{digest}  {NAME}\n".encode(), mode=0o644)
    text = json.dumps(contents, indent=2) + "\n"
    write_file(DIST / f"{NAME}.cdx.json", text.encode(), mode=0o644)
    return glibc


def check(tree: Path) -> tuple[int, ...]:
    """Return the newest GLIBC version the tree needs. Raise StackError when that is too new, or
    when a library is missing."""
    needs_by_path = {
        str(path.relative_to(tree)): parse_objdump(run(["objdump", "-p", path]))
        for path in tree.rglob("*")
        if path.is_file() and not path.is_symlink() and path.read_bytes().startswith(ELF)
    }
    if not needs_by_path:
        raise StackError(f"{tree} holds no program.")
    if problems := find_problems(needs_by_path, present={path.name for path in tree.rglob("*")}):
        lines = "\n  ".join(problems)
        raise StackError(
            f"The binary would not start everywhere:\n  {lines}\nBuild on Debian 12 or Ubuntu"
            " 22.04, or set AGENT_PYTHON to an interpreter built there."
        )
    return max(needs.glibc for needs in needs_by_path.values())


def pack(tree: Path) -> bytes:
    """Return the tree as a gzipped tar that depends on nothing but its contents."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(tree.rglob("*")):
            info = archive.gettarinfo(path, str(path.relative_to(tree)))
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            archive.addfile(info, io.BytesIO(path.read_bytes()) if info.isreg() else None)
    return gzip.compress(raw.getvalue(), 9, mtime=0)


def build_head(payload: bytes) -> bytes:
    digest = hashlib.sha256(payload).hexdigest()
    text = HEAD.read_text()
    text = text.replace("@ID@", digest[:16]).replace("@DIGEST@", digest)
    return text.replace("@FIRST_LINE@", str(text.count("\n") + 1)).encode()


def agent_version() -> str:
    """Return the release in agent/__init__.py, without importing the agent, and the build."""
    text = (ROOT / "agent" / "__init__.py").read_text()
    release = re.findall(r'RELEASE = "([^"]+)"', text)[0]
    return f"{release}+{read_build_id()}"


def read_build_id() -> str:
    return run(["sh", PACKAGE / "build-id.sh", "agent", PACKAGE, LOCK]).strip()


def main() -> int:
    argparse.ArgumentParser(prog="python -m build.package.freeze", description=__doc__).parse_args()
    binary = freeze(base_python())
    print(f"{binary.path.relative_to(ROOT)}: {binary.size_bytes / 1e6:.1f} MB,", end=" ")
    print(f"needs glibc {format_version(binary.max_glibc)}")
    return 0


if __name__ == "__main__":
    run_main(main)
