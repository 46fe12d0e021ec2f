"""Logging: one line per record on standard error, safe for the journal and for a terminal.

Foreign text (addresses, replies of remote servers) reaches log lines, so control characters are
escaped: a newline in a reply must not forge a second record, an escape sequence not move a cursor.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import TextIO

_PRIORITY = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
_CONTROL = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F)]
ESCAPES = {code: f"\\x{code:02x}" for code in _CONTROL} | {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}


def goes_to_journal(environ: Mapping[str, str], *, descriptor: int = 2) -> bool:
    """Return whether `descriptor` is the journal's. The variable alone proves nothing: all child
    processes of a service inherit it, wherever their output goes."""
    try:
        info = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{info.st_dev}:{info.st_ino}"


class OneLine(logging.Formatter):
    """Formats a record, traceback included, as one printable line."""

    def __init__(self, *, journal: bool) -> None:
        # The journal stamps time and reads the level from a <n> prefix.
        stamp = "" if journal else "%(asctime)s "
        super().__init__(f"{stamp}%(levelname)s %(threadName)s: %(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record).translate(ESCAPES)
        return f"<{_PRIORITY.get(record.levelname, 6)}>{line}" if self._journal else line


def configure(level: str, *, journal: bool = False, stream: TextIO | None = None) -> None:
    """Send records of `level` (a name such as "info") and above to `stream` or standard error."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(OneLine(journal=journal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Libraries log every retry; the agent logs a failure once, with the fix.
    for noisy in ("urllib3", "pymongo"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


MAX_KINDS = 100


class RateLimitedLog:
    """Logs a repeated warning once per period, so that a server down all night does not cause a
    thousand lines. A warning of another kind is logged at once, up to MAX_KINDS a period: a kind
    may contain foreign text."""

    def __init__(self, logger: logging.Logger, *, period_s: float = 300.0) -> None:
        self._logger = logger
        self._period_s = period_s
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}

    def warn(self, kind: str, message: str, *args: object) -> None:
        """Log `message` as a warning unless one of the same `kind` was logged this period."""
        now = time.monotonic()
        with self._lock:
            last = self._last.get(kind)
            if last is not None and now - last < self._period_s:
                return
            if last is None and len(self._last) >= MAX_KINDS:
                oldest = min(self._last, key=self._last.__getitem__)
                if now - self._last[oldest] < self._period_s:
                    return
                del self._last[oldest]
            self._last[kind] = now
        self._logger.warning(message, *args)

    def resolve(self, message: str, *args: object) -> None:
        """Log `message` if any warning was logged before, and start anew."""
        with self._lock:
            had, self._last = bool(self._last), {}
        if had:
            self._logger.info(message, *args)
