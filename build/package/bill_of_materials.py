"""Lists of contents of the agent and of the server archive, as CycloneDX 1.6.

Written by hand: it is a dozen keys, and a library for it would be more than all that is frozen.
Packages are those of pip's `inspect` with hashes of the lock, C libraries those PyInstaller found.
"""

import ast
import hashlib
import json
import platform
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from build.stack.command import run
from build.stack.errors import StackError

Component = dict[str, Any]


def build_bill_of_materials(
    name: str, version: str, *, digest: str, components: list[Component]
) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "version": version,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        },
        "components": sorted(components, key=lambda component: str(component["bom-ref"])),
    }


def list_packages(python: Path, *, lock: Path, frozen_lock: Path) -> Iterator[Component]:
    """Yield the interpreter and its packages that are frozen, with the hashes of `lock`."""
    version = run([python, "-c", "import platform; print(platform.python_version())"]).strip()
    url = f"pkg:generic/cpython@{version}"
    yield _component("platform", "cpython", version, url=url, licence="PSF-2.0")
    frozen = {*_locked_hashes(frozen_lock), "pyinstaller"}
    hashes = _locked_hashes(lock)
    report = json.loads(run([python, "-m", "pip", "inspect", "--local"]))
    for metadata in (item["metadata"] for item in report["installed"]):
        name = _normalize(metadata["name"])
        if name not in frozen:
            continue
        version = metadata["version"]
        url, licence = f"pkg:pypi/{name}@{version}", _licence(metadata)
        component = _component("library", name, version, url=url, licence=licence)
        # Of every file the lock allows; which of them pip took depends on the interpreter.
        component["properties"] = [
            {"name": "mallard:locked-sha256", "value": value} for value in hashes.get(name, [])
        ]
        yield component


def list_npm(lines: str) -> Iterator[Component]:
    """Yield packages by lines of name, version and licence (server/dashboard/vendor/build.mjs)."""
    for line in lines.splitlines():
        name, version, licence = re.split(r",? ", line, maxsplit=2)
        url = f"pkg:npm/{quote(name)}@{version}"
        yield _component("library", name, version, url=url, licence=licence)


def list_libraries(tree: Path, collected: Path) -> Iterator[Component]:
    """Yield the C libraries of a frozen tree; `collected` is PyInstaller's list of origins."""
    entries = ast.literal_eval(collected.read_text())[0]
    origins = {place: Path(origin) for place, origin, *_ in entries}
    distribution = platform.freedesktop_os_release().get("ID", "linux")
    for path in sorted(tree.rglob("lib*.so*")):
        place = str(path.relative_to(tree / "_internal"))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        component: Component = {
            "type": "library",
            "bom-ref": f"file:{place}",
            "name": path.name,
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }
        if place in origins and (owner := _debian_package(origins[place])):
            package, version = owner
            component["version"] = version
            component["purl"] = f"pkg:deb/{distribution}/{package}@{quote(version, safe='.-')}"
        yield component


def _component(kind: str, name: str, version: str, *, url: str, licence: str) -> Component:
    licences = {"licenses": [{"license": {"name": licence}}]} if licence else {}
    return {"type": kind, "bom-ref": url, "name": name, "version": version, "purl": url} | licences


def _licence(metadata: dict[str, Any]) -> str:
    if expression := metadata.get("license_expression") or metadata.get("license", ""):
        return str(expression).split("\n")[0]
    names = re.findall(r"License ::.*:: (.*)", "\n".join(metadata.get("classifier", [])))
    return names[0] if names else ""


def _debian_package(path: Path) -> tuple[str, str] | None:
    """Return name and version of the package a file belongs to; None on other systems."""
    for candidate in dict.fromkeys([path, path.resolve(), Path("/usr") / path.relative_to("/")]):
        try:
            package = run(["dpkg-query", "-S", candidate]).partition(":")[0]
            return package, run(["dpkg-query", "-W", "-f", "${Version}", package])
        except StackError:
            continue
    return None


def _normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked_hashes(lock: Path) -> dict[str, list[str]]:
    hashes = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.read_text()):
        if match := re.match(r"([A-Za-z0-9._-]+)==", block):
            hashes[_normalize(match[1])] = re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
    return hashes
