"""`python -m build.assets`: what the pages load beside our own modules, from npm to static/vendor.

npm installs the locked packages under .run, esbuild bundles the used parts of ECharts, and the few
files that browsers load are copied with their licences. A second run finds its stamp and does
nothing. The sizes printed are those a browser receives on its first visit.
"""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from build.stack import node
from build.stack.errors import StackError
from build.stack.paths import ROOT, RUN

SOURCE = ROOT / "server" / "dashboard" / "frontend"
VENDOR = ROOT / "server" / "dashboard" / "static" / "vendor"
PACKAGES = RUN / "node" / "frontend"
MODULES = PACKAGES / "node_modules"
STAMP = VENDOR / ".stamp"

BUNDLE_TIMEOUT_SECONDS = 60
#: All that a first visit loads, ours included, compressed as the server sends it.
BUDGET_BYTES = 400_000

COPIED = {
    "tabler.css": "@tabler/core/dist/css/tabler.min.css",
    "inter-latin.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
}
#: Outline icons of @tabler/icons that templates use, gathered into one sprite.
ICONS = (
    "activity",
    "alert-triangle",
    "api-book",
    "arrow-left",
    "arrow-right",
    "calendar-time",
    "chevron-down",
    "clock",
    "code",
    "columns",
    "cpu",
    "device-floppy",
    "download",
    "external-link",
    "filter",
    "gauge",
    "grid-dots",
    "inbox",
    "key",
    "keyboard",
    "layout-dashboard",
    "link",
    "list-search",
    "logout",
    "mail-forward",
    "maximize",
    "network",
    "player-pause",
    "refresh",
    "search",
    "server-2",
    "settings",
    "stack-2",
    "sun-moon",
    "table",
    "table-export",
    "user",
    "x",
)
#: Every package of which something reaches a browser.
LICENSED = (
    "@fontsource-variable/inter",
    "@tabler/core",
    "@tabler/icons",
    "echarts",
    "tslib",
    "zrender",
)
LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")
SVG = re.compile(r"<svg[^>]*>(?P<shapes>.*)</svg>", re.DOTALL)


def main() -> int:
    """Make what is missing, print the sizes, and return the exit code."""
    try:
        wanted = fingerprint([*SOURCE.glob("*.json"), *SOURCE.glob("*.js"), Path(__file__)])
        if STAMP.exists() and STAMP.read_text() == wanted:
            print("assets: up to date")
            return 0
        print("assets: installing the packages of the pages")
        node.install(SOURCE, PACKAGES)
        build()
        STAMP.write_text(wanted)
    except StackError as error:
        print(f"assets: {error}", file=sys.stderr)
        return 1
    return report()


def fingerprint(files: Iterable[Path]) -> str:
    """Return a hash of the names and contents of `files`."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build() -> None:
    """Fill static/vendor anew from the installed packages."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    bundle_echarts(VENDOR / "echarts.js")
    for name, source in COPIED.items():
        shutil.copyfile(MODULES / source, VENDOR / name)
    without_source_map(VENDOR / "tabler.css")
    (VENDOR / "icons.svg").write_text(
        sprite({name: (MODULES / f"@tabler/icons/icons/outline/{name}.svg") for name in ICONS})
    )
    copy_licences(VENDOR / "licences")


def bundle_echarts(target: Path) -> None:
    """Bundle what frontend/echarts.js imports. Raise StackError with the words of esbuild."""
    shutil.copyfile(SOURCE / "echarts.js", PACKAGES / "echarts.js")
    done = subprocess.run(
        [
            str(MODULES / ".bin" / "esbuild"),
            "echarts.js",
            "--bundle",
            "--minify",
            "--format=esm",
            "--target=es2022",
            "--legal-comments=none",  # the licences are copied whole
            "--log-level=warning",
            f"--outfile={target}",
        ],
        cwd=PACKAGES,
        env=node.environment(),
        capture_output=True,
        text=True,
        timeout=BUNDLE_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        message = f"esbuild could not bundle ECharts:\n{done.stderr}"
        raise StackError(message)


def without_source_map(path: Path) -> None:
    """Take out the comment that names a source map: collectstatic would look for it in vain."""
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"/\*# sourceMappingURL=.*?\*/", "", text), encoding="utf-8")


def sprite(files: Mapping[str, Path]) -> str:
    """Return one SVG that holds each icon as a symbol of its name."""
    symbols = []
    for name, path in files.items():
        found = SVG.search(path.read_text(encoding="utf-8"))
        if found is None:
            message = f"{path} is not an SVG"
            raise StackError(message)
        shapes = " ".join(found["shapes"].split())
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{shapes}</symbol>')
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'


def copy_licences(target: Path) -> None:
    """Copy each package's licence, and list name, version and licence of all."""
    target.mkdir()
    lines = []
    for package in LICENSED:
        home = MODULES / package
        about = json.loads((home / "package.json").read_text(encoding="utf-8"))
        lines.append(f"{package} {about['version']}, {about.get('license', 'see its file')}")
        for name in LICENCE_FILES:
            if (home / name).exists():
                flat = package.removeprefix("@").replace("/", "-")
                shutil.copyfile(home / name, target / f"{flat}-{name.removesuffix('.md')}")
    (target / "README").write_text("\n".join(lines) + "\n")


@dataclass(frozen=True)
class Size:
    """What one file weighs, and what a browser receives of it."""

    name: str
    file_bytes: int
    sent_bytes: int


def sizes(static: Path) -> list[Size]:
    """Return the sizes of everything a first visit loads from `static`."""
    found = []
    for path in sorted(static.rglob("*")):
        if path.suffix in {".css", ".js", ".svg", ".woff2"}:
            content = path.read_bytes()
            packed = path.suffix == ".woff2"  # compressed already
            sent = len(content) if packed else len(gzip.compress(content, 9))
            found.append(Size(str(path.relative_to(static)), len(content), sent))
    return found


def report() -> int:
    """Print the sizes; return 1 when they are over the budget."""
    found = sizes(VENDOR.parent)
    for size in found:
        print(f"  {size.name:34} {size.file_bytes:>9,} bytes {size.sent_bytes:>9,} sent")
    total = sum(size.sent_bytes for size in found)
    print(f"assets: a first visit loads {total:,} bytes (budget {BUDGET_BYTES:,})")
    return int(total > BUDGET_BYTES)


if __name__ == "__main__":
    raise SystemExit(main())
