"""`make agent-binary`: the agent as one file, checked, with its digest and its list of contents.

    python -m build.freeze                 make .dist/mallard-agent
    python -m build.freeze verify          run it in minimal roots of the supported systems

A clean environment gets exactly what requirements/build.txt names, hashes checked; PyInstaller
makes a folder; everything in it is checked against what the oldest supported system has; head and
folder become one file. Why not PyInstaller's own one-file mode: it unpacks anew at every start,
where TMPDIR or a path fixed at build time says, which may be noexec (/run is); it runs as two
processes; and what a killed one unpacked stays. `agent-head.sh` unpacks once per version, where the
agent keeps its state.
"""

import argparse
import ast
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from build.stack import claim
from build.stack.errors import MissingError, StackError
from build.stack.paths import ROOT, RUN

DIST = ROOT / ".dist"
WORK = RUN / "freeze"
LOCK = ROOT / "requirements" / "build.txt"
FROZEN_LOCK = ROOT / "requirements" / "agent.txt"
HEAD = ROOT / "build" / "agent-head.sh"
SPEC = ROOT / "build" / "agent.spec"
NAME = "mallard-agent"

# Ubuntu 22.04's, the oldest of the supported systems.
NEWEST_GLIBC = (2, 35)
#: A marker instead of a version: relative relocations, which glibc reads from 2.36 on.
RELATIVE_RELOCATIONS = "GLIBC_ABI_DT_RELR"
#: What the program may take from the system: glibc. All else must be in the file.
GLIBC_LIBRARIES = {
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
}
STEP_TIMEOUT_SECONDS = 600
SHOWN_LINES = 20
ELF = b"\x7fELF"
DEBOOTSTRAP = Path("/usr/sbin/debootstrap")
DEBOOTSTRAP_SCRIPTS = Path("/usr/share/debootstrap/scripts")


@dataclass(frozen=True)
class System:
    """A supported system, as debootstrap makes it. `script`: how, where it knows no such suite."""

    name: str
    suite: str
    script: str

    @property
    def mirror(self) -> str:
        """Where debootstrap itself would take it from; it must be told when it is told a script."""
        script = (DEBOOTSTRAP_SCRIPTS / self.script).read_text()
        found = re.search(r"default_mirror (\S+//archive\.\S+)", script) or re.search(
            r'^DEF_MIRROR="(.+)"$', DEBOOTSTRAP.read_text(), re.MULTILINE
        )
        if found is None:
            raise FreezeError(f"{DEBOOTSTRAP} names no mirror for {self.name}.")
        return found[1]

    def debootstrap(self, root: Path, *, include: Sequence[str] = ()) -> list[str | Path]:
        """Return the command that makes a minimal root of it, with these packages beside."""
        words: list[str | Path] = ["debootstrap", "--variant=minbase"]
        if include:
            words.append(f"--include={','.join(include)}")
        words += [self.suite, root, self.mirror]
        if not (DEBOOTSTRAP_SCRIPTS / self.suite).exists():
            words.append(DEBOOTSTRAP_SCRIPTS / self.script)
        return words


#: What of them can be had here is made once and kept.
SYSTEMS = (
    System("Debian 12", "bookworm", "sid"),
    System("Debian 13", "trixie", "sid"),
    System("Ubuntu 22.04", "jammy", "gutsy"),
    System("Ubuntu 24.04", "noble", "gutsy"),
)


class FreezeError(StackError):
    """The binary could not be made, or may not be given to anybody."""


@dataclass(frozen=True)
class Needs:
    """What one ELF file asks of the system: libraries, and the newest GLIBC version of a symbol."""

    libraries: frozenset[str]
    glibc: tuple[int, ...]


@dataclass(frozen=True)
class Binary:
    """A made binary and what is known of it."""

    path: Path
    size_bytes: int
    sha256: str
    max_glibc: tuple[int, ...]


def needs(objdump: str) -> Needs:
    """Return what `objdump -p` says of one file. Pure."""
    versions = re.findall(r"\bGLIBC_(\d+(?:\.\d+)+)", objdump)
    glibc = max((tuple(map(int, text.split("."))) for text in versions), default=(0,))
    if RELATIVE_RELOCATIONS in objdump:
        glibc = max(glibc, (2, 36))
    return Needs(frozenset(re.findall(r"^\s+NEEDED\s+(\S+)", objdump, re.MULTILINE)), glibc)


def complaints(found: dict[str, Needs], *, present: set[str]) -> list[str]:
    """Return what is wrong with a tree. `found`: needs by path; `present`: its file names. Pure."""
    said: list[str] = []
    newest = dotted(NEWEST_GLIBC)
    for path, its in sorted(found.items()):
        if its.glibc > NEWEST_GLIBC:
            said.append(f"{path} needs GLIBC {dotted(its.glibc)}, and may need at most {newest}")
        said += [
            f"{path} needs {library}, which is neither in the file nor part of glibc"
            for library in sorted(its.libraries - GLIBC_LIBRARIES - present)
        ]
    return said


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def inputs(python: Path) -> str:
    """Return a digest of everything the binary is made from."""
    files = [*sorted((ROOT / "agent").rglob("*.py")), SPEC, HEAD, LOCK, Path(__file__)]
    files.append(ROOT / "build" / "frozen_environment.py")
    digest = hashlib.sha256(_run([python, "-VV"]).encode())
    for path in files:
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def missing(python: Path) -> list[str]:
    """Return what this machine lacks for a build, each with its remedy."""
    lacks = [
        f"{tool} (apt-get install binutils)"
        for tool in ("objdump", "objcopy", "strip")
        if not shutil.which(tool)
    ]
    # A distribution's interpreter carries its library inside; the frozen one needs it as a file.
    place = _run(
        [
            *(python, "-c"),
            "from sysconfig import get_config_var as v; print(v('LIBDIR'), v('INSTSONAME'))",
        ]
    ).split()
    if not Path(*place).exists():
        lacks.append(f"{place[1]} (apt-get install {place[1].partition('.so')[0]})")
    return lacks


def base_python() -> Path:
    """Return the interpreter that is frozen: AGENT_PYTHON, or the one .venv was made with."""
    named = os.environ.get("AGENT_PYTHON")
    base = str(getattr(sys, "_base_executable", sys.executable))
    return Path(named or base).resolve()


def freeze(python: Path, *, again: bool = True) -> Binary:
    """Make the binary in .dist. Without `again` one made from the same sources is enough."""
    if lacks := missing(python):
        raise MissingError(f"A binary cannot be made without {', '.join(lacks)}.")
    # A second one would begin by removing what the first is made in.
    with claim.alone(WORK / "lock"):
        return _freeze(python, again=again)


def _freeze(python: Path, *, again: bool) -> Binary:
    path = DIST / NAME
    made_from = inputs(python)
    stamp = WORK / "inputs"
    if not again and path.exists() and stamp.exists() and stamp.read_text() == made_from:
        return _described(path, json.loads((WORK / "checked.json").read_text()))
    stamp.unlink(missing_ok=True)
    DIST.mkdir(exist_ok=True)
    venv = _clean_environment(python)
    tree = _program(venv)
    glibc = check(tree)
    payload = pack(tree)
    _write(path, head(payload) + payload, mode=0o755)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    _write(DIST / f"{NAME}.sha256", f"{digest}  {NAME}\n".encode())
    contents = json.dumps(bill_of_materials(venv, tree, digest=digest), indent=2)
    _write(DIST / f"{NAME}.cdx.json", contents.encode() + b"\n")
    (WORK / "checked.json").write_text(json.dumps(glibc))
    stamp.write_text(made_from)
    return _described(path, glibc)


def _described(path: Path, glibc: Sequence[int]) -> Binary:
    content = path.read_bytes()
    return Binary(path, len(content), hashlib.sha256(content).hexdigest(), tuple(glibc))


def _clean_environment(python: Path) -> Path:
    venv = WORK / "venv"
    shutil.rmtree(venv, ignore_errors=True)
    _run([python, "-m", "venv", venv])
    _run(
        [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", LOCK]
    )
    return venv


def _program(venv: Path) -> Path:
    shutil.rmtree(WORK / "dist", ignore_errors=True)
    _run(
        [
            *(venv / "bin" / "python", "-m", "PyInstaller", "--noconfirm", "--clean"),
            *("--workpath", WORK / "work", "--distpath", WORK / "dist", SPEC),
        ],
        # The same sources give the same sets in the same order; nothing of the person's settings.
        environment={"PYTHONHASHSEED": "1", "PYINSTALLER_CONFIG_DIR": str(WORK / "config")},
    )
    return WORK / "dist" / "agent"


def elf_files(tree: Path) -> Iterator[Path]:
    """Yield the programs and libraries in a tree."""
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(ELF)) == ELF:
                    yield path


def check(tree: Path) -> tuple[int, ...]:
    """Return the newest GLIBC version the tree needs. Raises FreezeError when it is too new, or
    when a library is missing."""
    found = {
        str(path.relative_to(tree)): needs(_run(["objdump", "-p", path]))
        for path in elf_files(tree)
    }
    if not found:
        raise FreezeError(f"{tree} holds no program.")
    if said := complaints(found, present={path.name for path in tree.rglob("*")}):
        lines = "\n  ".join(said)
        raise FreezeError(
            f"The binary would not start everywhere:\n  {lines}\nBuild on Debian 12 or Ubuntu"
            " 22.04, or set AGENT_PYTHON to an interpreter built there."
        )
    return max(its.glibc for its in found.values())


def pack(tree: Path) -> bytes:
    """Return the tree as a gzipped tar that depends on nothing but its contents."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(tree.rglob("*")):
            info = archive.gettarinfo(path, str(path.relative_to(tree)))
            info.uid = info.gid = info.mtime = 0
            info.uname = info.gname = ""
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            if info.isreg():
                archive.addfile(info, io.BytesIO(path.read_bytes()))
            else:
                archive.addfile(info)
    return gzip.compress(raw.getvalue(), 9, mtime=0)


def head(payload: bytes) -> bytes:
    """Return the script in front of the payload."""
    digest = hashlib.sha256(payload).hexdigest()
    text = HEAD.read_text()
    filled = {
        "@ID@": digest[:16],
        "@DIGEST@": digest,
        "@FIRST_LINE@": str(text.count("\n") + 1),
    }
    for mark, value in filled.items():
        if text.count(mark) != 1:
            raise FreezeError(f"{HEAD} must hold {mark} once.")
        text = text.replace(mark, value)
    return text.encode()


def bill_of_materials(venv: Path, tree: Path, *, digest: str) -> dict[str, object]:
    """Return what is in the binary, as CycloneDX 1.6.

    Written by hand: what is wanted is a dozen keys, and the packages of a library for it would be
    more than all that is frozen. Packages come from pip's own `inspect`, with their hashes from the
    lock; the C libraries from where they were found, with the version of the system's package.
    """
    report = json.loads(_run([venv / "bin" / "python", "-m", "pip", "inspect", "--local"]))
    frozen = _locked_names(FROZEN_LOCK) | {"pyinstaller"}
    hashes = _locked_hashes(LOCK)
    components = [
        _package(item["metadata"], hashes)
        for item in report["installed"]
        if _normal(item["metadata"]["name"]) in frozen
    ]
    components += [_interpreter(venv), *_libraries(tree, _sources())]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": NAME,
                "name": NAME,
                "version": agent_version(),
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        },
        "components": sorted(components, key=lambda item: str(item["bom-ref"])),
    }


def agent_version() -> str:
    """Return the version in agent/__init__.py, without importing the agent."""
    text = (ROOT / "agent" / "__init__.py").read_text()
    found = re.search(r'__version__ = "([^"]+)"', text)
    if found is None:
        raise FreezeError("agent/__init__.py names no __version__.")
    return found.group(1)


def _package(metadata: dict[str, Any], hashes: dict[str, list[str]]) -> dict[str, object]:
    name, version = _normal(metadata["name"]), metadata["version"]
    url = f"pkg:pypi/{name}@{version}"
    entry: dict[str, object] = {
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
        # Of every file the lock allows; which of them pip took depends on the interpreter.
        "properties": [
            {"name": "mallard:locked-sha256", "value": value} for value in hashes.get(name, [])
        ],
    }
    licences = metadata.get("license_expression") or metadata.get("license", "").split("\n")[0]
    for classifier in metadata.get("classifier", []):
        if not licences and classifier.startswith("License ::"):
            licences = classifier.rpartition(":: ")[2]
    if licences:
        entry["licenses"] = [{"license": {"name": licences}}]
    return entry


def _interpreter(venv: Path) -> dict[str, object]:
    version = _run(
        [venv / "bin" / "python", "-c", "import platform as p; print(p.python_version())"]
    )
    url = f"pkg:generic/cpython@{version.strip()}"
    return {
        "type": "platform",
        "bom-ref": url,
        "name": "cpython",
        "version": version.strip(),
        "purl": url,
        "licenses": [{"license": {"id": "PSF-2.0"}}],
    }


def _libraries(tree: Path, sources: dict[str, Path]) -> Iterator[dict[str, object]]:
    """Yield the C libraries that came from the system, by the files PyInstaller took."""
    for path in sorted(tree.rglob("lib*.so*")):
        place = str(path.relative_to(tree / "_internal"))
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        entry: dict[str, object] = {
            "type": "library",
            "bom-ref": f"file:{place}",
            "name": path.name,
            "hashes": [{"alg": "SHA-256", "content": content}],
        }
        if place in sources and (owner := _owner(sources[place])):
            package, version = owner
            entry["version"] = version
            entry["purl"] = f"pkg:deb/{_distribution()}/{package}@{quote(version, safe='.-')}"
        yield entry


def _sources() -> dict[str, Path]:
    """Return where PyInstaller took each file of the tree from, by its place in it."""
    collected = ast.literal_eval((WORK / "work" / "agent" / "COLLECT-00.toc").read_text())
    return {place: Path(source) for place, source, *_ in collected[0]}


def _distribution() -> str:
    return platform.freedesktop_os_release().get("ID", "linux")


def _owner(path: Path) -> tuple[str, str] | None:
    """Return name and version of the Debian package a file is from; None elsewhere."""
    if not shutil.which("dpkg-query"):
        return None
    for candidate in dict.fromkeys([path, path.resolve(), Path("/usr") / path.relative_to("/")]):
        try:
            package = _run(["dpkg-query", "-S", candidate]).partition(":")[0]
            return package, _run(["dpkg-query", "-W", "-f", "${Version}", package])
        except FreezeError:
            continue
    return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked_names(lock: Path) -> set[str]:
    return {
        _normal(name)
        for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(), re.MULTILINE)
    }


def _locked_hashes(lock: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.read_text()):
        name = _normal(block.partition("==")[0])
        found[name] = re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
    return found


def _write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    # By renaming: a program that runs cannot be written over.
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    fresh.rename(path)


def _run(argv: Sequence[str | Path], *, environment: dict[str, str] | None = None) -> str:
    """Return what a program prints. Raises FreezeError with the end of what it said."""
    done = subprocess.run(
        [str(part) for part in argv],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(environment or {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=STEP_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-SHOWN_LINES:])
        shown = " ".join(str(part) for part in argv[:4])
        raise FreezeError(f"{shown} failed with code {done.returncode}:\n{said}")
    return done.stdout


def verify(binary: Path) -> list[str]:
    """Run the binary inside minimal roots; return the systems it ran on. Raises FreezeError when it
    fails on one. A system that cannot be had here is said and left out."""
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise MissingError("agent-verify needs root and debootstrap (apt-get install debootstrap).")
    ran: list[str] = []
    for system in SYSTEMS:
        root = WORK / "roots" / system.suite
        if not _has_root(root, system):
            print(f"{system.name}: no root can be made here, not tried", flush=True)
            continue
        for word, expected in (("version", "."), ("check-config", " is valid."), ("once", '"cpu')):
            if expected not in _inside(root, binary, word):
                raise FreezeError(f"{system.name}: `{word}` did not say {expected!r}.")
        print(f"{system.name}: version, check-config and once ran", flush=True)
        ran.append(system.name)
    if not ran:
        raise FreezeError("The binary ran nowhere.")
    return ran


def _has_root(root: Path, system: System) -> bool:
    done = root.with_name(f"{system.suite}.done")
    if done.exists():
        return True
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    try:
        _run(system.debootstrap(root))
    except FreezeError as error:
        print(str(error).splitlines()[-1], flush=True)
        return False
    done.touch()
    return True


def _inside(root: Path, binary: Path, word: str) -> str:
    shutil.copy2(binary, root / "usr" / "local" / "bin" / NAME)
    state = root / "var" / "lib" / "mallard-agent"
    state.mkdir(mode=0o750, exist_ok=True)
    # A mount namespace of its own: /proc for the collector, and a /tmp that runs nothing.
    script = (
        f'mount -t proc proc "{root}/proc"; mount -t tmpfs -o noexec tmpfs "{root}/tmp";'  # noqa: S108 (of the root)
        f' exec chroot "{root}" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root'
        " DASHBOARD_URL=https://dashboard.example API_KEY=none NODE_ID=verify"
        f' /usr/local/bin/{NAME} "$@"'
    )
    return _run(["unshare", "--mount", "sh", "-c", f"set -e; {script}", "verify", word])


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the binary, or verify the one made; return the exit code."""
    parser = argparse.ArgumentParser(prog="build.freeze", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("task", nargs="?", choices=("make", "verify"), default="make")
    options = parser.parse_args(arguments)
    try:
        binary = freeze(base_python(), again=options.task == "make")
        print(f"{binary.path.relative_to(ROOT)}: {binary.size_bytes / 1e6:.1f} MB,", end=" ")
        print(f"needs glibc {dotted(binary.max_glibc)}, sha256 {binary.sha256}")
        if options.task == "verify":
            print(f"ran on {', '.join(verify(binary.path))}")
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
