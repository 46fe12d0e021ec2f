"""Bins that nothing fell into are NULL; rows of the version before, with zeros, stay right."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from server.rollups import maintainer
from server.rollups.levels import MEASURES, ONE_MINUTE
from server.rollups.mail import queries
from server.rollups.mail.level_query import LevelQuery
from tests.factories import NOW, count_differences, row, write

SPARSE = [measure.column for measure in MEASURES if measure.sparse]
MINUTE = NOW.replace(second=0)
HOUR = LevelQuery(ONE_MINUTE, (MINUTE - timedelta(hours=1), MINUTE), "outbound")


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def mail(*delivery_times_ms):
    write(
        *(
            row(
                occurred_at=NOW - timedelta(minutes=9),
                delivery_time_ms=ms,
                message_size_bytes=None if ms is None else 9 * ms,
            )
            for ms in delivery_times_ms
        )
    )


def bins():
    ((_, _, times),) = queries.delivery_times(HOUR)
    return {i: count for i, count in enumerate(times.bins) if count}


@pytest.mark.django_db
def test_what_nothing_fell_into_is_null():
    mail(999, 2_000, None)

    ((filled, events, sized),) = execute(
        f"SELECT num_nonnulls({', '.join(SPARSE)}), events, size_count FROM email_stats_1m"
        " WHERE dimension = 'all'"
    )
    assert (filled, events, sized) == (2 + 2, 3, 2)


@pytest.mark.django_db
def test_zeros_of_the_version_before_add_up_with_what_comes_after():
    mail(999, None)
    for level in maintainer.written_levels():
        execute(f"UPDATE {level.table} SET {', '.join(f'{c} = coalesce({c}, 0)' for c in SPARSE)}")

    mail(999, 2_000)

    assert sorted(bins().values()) == [1, 2]
    (sized,) = queries.sizes(HOUR)
    assert (sized.count, sized.bytes_sum, sum(sized.brackets)) == (3, 9 * (999 + 999 + 2_000), 3)
    assert not any(count_differences(level) for level in maintainer.written_levels())


@pytest.mark.usefixtures("committing_database")
def test_the_change_can_be_taken_back_and_made_again_with_mail_counted():
    mail(999, 2_000, None)
    before = bins()
    nulls = f"SELECT count(*) FROM email_stats_1m WHERE num_nulls({', '.join(SPARSE)}) > 0"
    out = StringIO()
    try:
        call_command("migrate", "rollups", "0003", stdout=out)
        assert execute(nulls) == [(0,)]
        assert bins() == before
    finally:
        call_command("migrate", stdout=out)

    mail(999)

    assert sum(bins().values()) == 3
    assert count_differences(ONE_MINUTE) == 0
