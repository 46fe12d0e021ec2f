"""Paths of the checkout and its working folder; private files and folders of Unix sockets."""

import hashlib
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from build.stack.errors import MissingError

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / ".run"
LOGS = RUN / "log"
DIST = ROOT / ".dist"

# The path of a Unix socket must fit in 108 bytes; the rest is for the file's own name.
MAX_SOCKET_DIRECTORY_BYTES = 80


def write_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file by renaming: none is ever half written, and a program that runs stays whole."""
    half_written = path.with_name(f".{path.name}.new")
    half_written.unlink(missing_ok=True)
    half_written.touch(mode=0o600)
    half_written.write_bytes(content)
    half_written.chmod(mode)
    half_written.rename(path)


def read_secrets(path: Path, **lengths: int) -> dict[str, Any]:
    """Return the secrets in a file of ours alone, made of so many bytes each at the first call."""
    if not path.exists():
        made = {name: secrets.token_urlsafe(length) for name, length in lengths.items()}
        write_file(path, json.dumps(made).encode())
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


def socket_directory(directory: Path) -> Path:
    """Return an existing folder for Unix sockets: `directory`, or a short one standing for it.

    The short one is the same for the same `directory`, lies in the system's temporary folder and
    is ours alone. Raise MissingError when another user already has it.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if len(os.fsencode(directory)) <= MAX_SOCKET_DIRECTORY_BYTES:
        return directory
    digest = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"mallard-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    status = short.lstat()
    if short.is_symlink() or status.st_uid != os.getuid():
        raise MissingError(f"{short} belongs to another user; set TMPDIR to a folder of yours")
    return short
