"""Bound of the values that the wider levels name: of a crowded day the largest stay, the others are
counted together.

A minute names a bounded number (`mail/sql.py`), but a day is 1 440 of them. Where TimescaleDB makes
the wider levels, they are sums of these minutes.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from server.rollups import maintainer
from server.rollups.levels import DAILY, GROUP, KEY, LEVELS, MEASURES, OTHER, WIDER_LEVELS, Level
from server.rollups.mail import sql
from server.timescale.rows import fetch_rows

logger = logging.getLogger(__name__)

EVERY_S = 300.0
#: How far back is looked each time: so long do agents keep what they cannot send, and a day more.
SINCE = timedelta(days=9)
#: One at a time; the others have nothing left to do.
LOCK = 0x6D616C6C617266
TRY_LOCK = f"SELECT pg_try_advisory_xact_lock({LOCK})"
#: A day is crowded at twice the bound, so that what is folded is worth a pass, and a value has time
#: to become large. What a day names is at least what any bucket of it names. Negative: an outcome
#: was taken back whose value had been folded.
FIND_CROWDED = f"""SELECT {", ".join(GROUP)} FROM {DAILY.table}
WHERE bucket >= %(since)s GROUP BY {", ".join(GROUP)}
HAVING count(*) > 2 * %(max_values)s OR min(events) FILTER (WHERE value <> '{OTHER}') < 0
ORDER BY 1, 2, 3, 4"""  # noqa: S608
OF_THE_DAY = """dimension = %(dimension)s AND direction = %(direction)s
    AND event_type = %(event_type)s AND bucket >= %(day)s AND bucket < %(end)s"""


def bound_values(now: datetime) -> int:
    """Fold what crowded days name beyond LEVELS_MAX_VALUES; return how many rows are gone.

    Writers wait while one level of one day is folded. Raises django.db.Error.
    """
    with transaction.atomic():
        if maintainer.written_levels() != LEVELS:
            return 0  # the wider levels are TimescaleDB's own
    values = {"since": now - SINCE, "max_values": settings.LEVELS_MAX_VALUES}
    folded = 0
    for group in fetch_rows(FIND_CROWDED, values):
        of_day = {**dict(zip(("dimension", "day", *GROUP[2:]), group, strict=True)), **values}
        of_day["end"] = of_day["day"] + DAILY.width
        counts = [_fold(level, of_day) for level in reversed(WIDER_LEVELS)]
        if folds := sum(counts):
            what = "%s of %s, %s %s, were counted as others: there were too many"
            logger.warning(what, group[0], f"{group[1]:%F}", *group[2:])
        folded += folds
    return folded


def _fold(level: Level, of_day: dict[str, Any]) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TRY_LOCK)
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(maintainer.ALONE)
        cursor.execute(fold(level), of_day)
        return int(cursor.fetchone()[0])


def fold(level: Level) -> str:
    """Return the statement that moves what each bucket of a day names too much into its others."""
    key = " AND ".join(f"stored.{name} = ranked.{name}" for name in KEY)
    others = _select((*KEY[:-1], f"'{OTHER}' AS value", *(m.column for m in MEASURES)), "removed")
    return f"""WITH ranked AS (
  SELECT {", ".join(KEY)}, events, row_number() OVER (
    PARTITION BY bucket ORDER BY events DESC, value) AS place
  FROM {level.table}
  WHERE {OF_THE_DAY} AND value <> '{OTHER}'
),
removed AS (
  DELETE FROM {level.table} AS stored USING ranked
  WHERE {key} AND (ranked.place > %(max_values)s OR ranked.events < 0)
    AND stored.bucket >= %(day)s AND stored.bucket < %(end)s
  RETURNING stored.*
),
others AS ({sql.merge(level, f"({others}) AS removed_rows")}),
folded AS ({sql.upsert(level, "others")})
SELECT count(*) FROM removed"""  # noqa: S608 (names of the declaration)


def _select(columns: Sequence[str], relation: str) -> str:
    return f"SELECT {', '.join(columns)} FROM {relation}"  # noqa: S608
