"""`python -m build.package.assets`: npm packages that pages load, made into static/vendor.

npm installs the locked packages under .run, and server/dashboard/vendor/build.mjs bundles and
copies the files that browsers load. A second run finds its stamp and does nothing. The sizes
printed are those a browser receives on its first visit.
"""

import argparse
import gzip
import shutil
from pathlib import Path

from build.stack.command import run, run_main
from build.stack.packages import if_stale, install_npm, node_program
from build.stack.paths import ROOT, RUN

DASHBOARD = ROOT / "server" / "dashboard"
SOURCE = DASHBOARD / "vendor"
VENDOR = DASHBOARD / "static" / "vendor"
PACKAGES = RUN / "node" / "frontend"
MODULES = PACKAGES / "node_modules"

#: The size of a first visit, our own files included, compressed as the server sends them.
BUDGET_BYTES = 400_000
#: Folders of the dashboard of which a first visit loads all: the frame, charts and the overview.
FIRST_VISIT = ("shell", "charts", "pages/overview")


def main() -> int:
    argparse.ArgumentParser(prog="python -m build.package.assets", description=__doc__).parse_args()
    if not make():
        print("assets: up to date")
        return 0
    return report_sizes(VENDOR, *(DASHBOARD / name for name in FIRST_VISIT))


def make() -> bool:
    """Make what is missing; return whether anything was. Raise StackError."""
    sources = sorted(path for path in SOURCE.iterdir() if path.is_file())
    with if_stale(sources, VENDOR / ".stamp", RUN / "assets") as is_stale:
        if is_stale:
            print("assets: installing the packages of the pages")
            install_npm(SOURCE, PACKAGES)
            for path in sources:
                shutil.copyfile(path, PACKAGES / path.name)
            shutil.rmtree(VENDOR, ignore_errors=True)
            VENDOR.mkdir(parents=True)
            run([node_program(), "build.mjs", VENDOR], cwd=PACKAGES)
    return is_stale


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
    run_main(main)
