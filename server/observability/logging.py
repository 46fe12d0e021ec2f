"""Logging of the server's processes: records on standard error, each with its request id."""

from typing import Any


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
                "class": "logging.StreamHandler",
                "formatter": formatter,
                "filters": ["request_id"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        # Logs each login in four lines; the admin shows them in a table.
        "loggers": {"axes": {"level": "WARNING"}},
    }
