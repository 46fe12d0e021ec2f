"""Django's command line, with one line where it cannot work for want of something else."""

import sys
from collections.abc import Sequence

import django
import redis
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import InterfaceError, OperationalError, ProgrammingError, connection

from server import __version__


def run(argv: Sequence[str]) -> int:
    """Run a command; return the exit status."""
    if list(argv[1:]) in (["version"], ["--version"]):  # Django would name its own
        sys.stdout.write(f"{__version__}\n")
        return 0
    try:
        if list(argv[1:2]) == ["migrate"] and not {"-h", "--help"} & set(argv):
            # Its checks would say the same in six lines.
            django.setup()
            connection.ensure_connection()
        execute_from_command_line(list(argv))
    except (OperationalError, InterfaceError) as error:
        return _fail(f"the database (DATABASE_URL) does not answer: {error}")
    except redis.RedisError as error:
        return _fail(f"Redis (REDIS_URL) does not answer: {error}")
    except ImproperlyConfigured as error:
        return _fail(f"the settings are not complete: {error}")
    except ProgrammingError as error:
        # Only that: what else it may be is a mistake of ours, and its traceback is needed.
        if getattr(error.__cause__, "pgcode", "") != _UNDEFINED_TABLE:
            raise
        return _fail("the database has no tables of this version: run manage.py migrate")
    return 0


_UNDEFINED_TABLE = "42P01"


def _fail(reason: str) -> int:
    """Write the reason in one line: errors of PostgreSQL have several."""
    sys.stderr.write(f"manage.py: {' '.join(reason.split())}\n")
    return 1
