"""Tables of the tests' databases: emptied, and held back from TimescaleDB's own jobs."""

from collections.abc import Iterable

from django.db import connection

from server.rollups.levels import LEVELS
from server.rollups.samples import levels as sample_levels
from server.timescale import edition

#: As migrations leave them, whatever a test commits.
KEPT = ("django_content_type", "auth_permission", "auth_group", "auth_group_permissions")
#: Continuous aggregates are views, whose rows are elsewhere.
FILLED_SQL = (
    "SELECT name FROM unnest(%s) AS name JOIN pg_class ON oid = name::regclass"
    " WHERE relkind = 'v' OR pg_relation_size(oid) > 0"
    " OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = oid)"
)
KEPT_SQL = "SELECT " + ", ".join(
    f"(SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM {table} t)" for table in KEPT
)


def hold_policies() -> None:
    """Let no policy of TimescaleDB run: what a test sees must not hang on when one last did, and
    for their clock, which no test can stop, the times of most tests are long ago and to be dropped.
    """
    if edition.is_community(connection):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs"
                " WHERE hypertable_name IS NOT NULL AND scheduled"
            )


def empty_hypertables() -> None:
    """Remove all rows that Django does not know of."""
    tables = ["email_events", *(level.table for level in LEVELS)]
    tables += [level.table for level in sample_levels.all_levels()]
    _empty([*tables, "event_id_collisions", "email_stats_due", "replies"])


def empty_models() -> None:
    """Remove all rows that Django knows of but those of KEPT, which must be as they were."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    _empty(set(tables) - set(KEPT))


def read_kept() -> tuple[str | None, ...]:
    """Return a digest of each table of KEPT."""
    with connection.cursor() as cursor:
        cursor.execute(KEPT_SQL)
        return tuple(cursor.fetchone())


def _empty(tables: Iterable[str]) -> None:
    """Truncate those of the tables that have ever held a row since they were truncated: the others
    would take most of the time."""
    with connection.cursor() as cursor:
        cursor.execute(FILLED_SQL, [sorted(tables)])
        if filled := [name for (name,) in cursor]:
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
