"""`python -m build.package.assets`: npm packages that pages load, made into static/vendor.

npm installs the locked packages under .run, esbuild bundles the used parts of ECharts, and the few
files that browsers load are copied with their licences. A second run finds its stamp and does
nothing. The sizes printed are those a browser receives on its first visit.
"""

import gzip
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from build.stack import claim
from build.stack.command import run
from build.stack.errors import StackError
from build.stack.packages import install_npm, node_environment
from build.stack.paths import ROOT, RUN

DASHBOARD = ROOT / "server" / "dashboard"
SOURCE = DASHBOARD / "vendor"
VENDOR = DASHBOARD / "static" / "vendor"
PACKAGES = RUN / "node" / "frontend"
MODULES = PACKAGES / "node_modules"
STAMP = VENDOR / ".stamp"

#: The size of a first visit, our own files included, compressed as the server sends them.
BUDGET_BYTES = 400_000
COPIED = {
    "tabler.css": "@tabler/core/dist/css/tabler.min.css",
    "inter-latin.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
}
#: Outline icons of @tabler/icons that templates use, a name a line.
ICONS = SOURCE / "icons.txt"
#: Every package of which a part reaches a browser.
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
    sources = [path for path in SOURCE.iterdir() if path.suffix in {".json", ".js", ".txt"}]
    try:
        with claim.hold_lock(RUN / "assets.lock"):
            fingerprint = hash_files([*sources, Path(__file__)])
            if STAMP.exists() and STAMP.read_text() == fingerprint:
                print("assets: up to date")
                return 0
            print("assets: installing the packages of the pages")
            install_npm(SOURCE, PACKAGES)
            build()
            STAMP.write_text(fingerprint)
    except StackError as error:
        print(f"assets: {error}", file=sys.stderr)
        return 1
    return report_sizes(VENDOR, *(DASHBOARD / name for name in ("shell", "charts", "pages")))


def hash_files(paths: Iterable[Path]) -> str:
    """Return a hash of the names and contents of files."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build() -> None:
    """Fill static/vendor anew from the installed packages."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    bundle_echarts(VENDOR / "echarts.js")
    for name, source in COPIED.items():
        shutil.copyfile(MODULES / source, VENDOR / name)
    remove_source_map(VENDOR / "tabler.css")
    outline = MODULES / "@tabler" / "icons" / "icons" / "outline"
    icons = {name: outline / f"{name}.svg" for name in ICONS.read_text().split()}
    (VENDOR / "icons.svg").write_text(build_sprite(icons))
    copy_licences(VENDOR / "licences")


def bundle_echarts(target: Path) -> None:
    """Bundle what vendor/echarts.js imports. Raise StackError with the words of esbuild."""
    shutil.copyfile(SOURCE / "echarts.js", PACKAGES / "echarts.js")
    run(
        [
            *(MODULES / ".bin" / "esbuild", "echarts.js", "--bundle", "--minify", "--format=esm"),
            *("--target=es2022", "--log-level=warning", f"--outfile={target}"),
            "--legal-comments=none",  # the licences are copied as they are
        ],
        cwd=PACKAGES,
        environment=node_environment(),
    )


def remove_source_map(path: Path) -> None:
    """Remove the comment that names a source map: collectstatic would look for it in vain."""
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"/\*# sourceMappingURL=.*?\*/", "", text), encoding="utf-8")


def build_sprite(files: Mapping[str, Path]) -> str:
    """Return one SVG that holds each icon as a symbol of its name."""
    symbols = []
    for name, path in files.items():
        match = SVG.search(path.read_text(encoding="utf-8"))
        if match is None:
            message = f"{path} is not an SVG"
            raise StackError(message)
        shapes = " ".join(match["shapes"].split())
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


def report_sizes(*folders: Path) -> int:
    """Print the sizes of all that a first visit loads; return 1 when they exceed the budget."""
    total_bytes = 0
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.suffix in {".css", ".js", ".svg", ".woff2"}:
            content = path.read_bytes()
            # A font is compressed already.
            sent = content if path.suffix == ".woff2" else gzip.compress(content, 9)
            total_bytes += len(sent)
            name = path.relative_to(DASHBOARD)
            print(f"  {name!s:34} {len(content):>9,} bytes {len(sent):>9,} sent")
    print(f"assets: a first visit loads {total_bytes:,} bytes (budget {BUDGET_BYTES:,})")
    return int(total_bytes > BUDGET_BYTES)


if __name__ == "__main__":
    raise SystemExit(main())
