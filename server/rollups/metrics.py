"""Metrics of the levels: events that are counted under no value of their own."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from server.observability.metrics import Metric
from server.rollups.levels import DETAILS, DIMENSIONS, ONE_MINUTE, OTHER
from server.timescale.rows import fetch_rows

OTHERS = f"""SELECT dimension, sum(events)::bigint FROM {ONE_MINUTE.table}
WHERE dimension = ANY(%s) AND bucket > %s AND value = %s GROUP BY 1"""  # noqa: S608


def unnamed_events() -> Iterator[Metric]:
    """Count the events of the last hour that no value of a dimension names. Raises Error."""
    since = timezone.now() - timedelta(hours=1)
    dimensions = [*DIMENSIONS, *DETAILS]
    counts = dict(fetch_rows(OTHERS, [dimensions, since, OTHER]))
    for dimension in dimensions:
        yield Metric(
            "mallard_unnamed_events",
            f"Events of the last hour that are counted as {OTHER}: a minute has too many values.",
            counts.get(dimension, 0),
            labels={"dimension": dimension},
        )
