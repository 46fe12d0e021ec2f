"""Logging of the server's processes: records on standard error, each with its request id."""

import logging
import os
from typing import Any, TextIO

#: The journal's priorities by the level of a record.
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


def goes_to_journal(descriptor: int = 2) -> bool:
    """Return whether `descriptor` is the journal's. JOURNAL_STREAM alone proves nothing: all child
    processes of a service inherit it, wherever their output goes."""
    try:
        info = os.fstat(descriptor)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{info.st_dev}:{info.st_ino}"


class JournalHandler(logging.StreamHandler[TextIO]):
    """Writes to standard error; where that is the journal, with the priority of each record.

    `journalctl -p err` shows errors alone then. The journal takes every line for a record of its
    own, so each line of a traceback has the priority too.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of the formatter, as the journal reads it."""
        text = super().format(record)
        if not goes_to_journal():
            return text
        prefix = f"<{_PRIORITIES.get(record.levelname, 6)}>"
        return "\n".join(f"{prefix}{line}" for line in text.split("\n"))


def build_logging(*, level: str, formatter: str) -> dict[str, Any]:
    """Return Django's LOGGING. `formatter`: `line` for people, `json` for log collectors."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "server.observability.request_id.RequestIdFilter"}},
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)s",
            },
        },
        "handlers": {
            "stderr": {
                "class": "server.observability.logging.JournalHandler",
                "formatter": formatter,
                "filters": ["request_id"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Logs each login in four lines; the admin shows them in a table.
            "axes": {"level": "WARNING"},
            # The web server's own handler writes no priorities.
            "_granian": {"handlers": [], "propagate": True},
        },
    }
