"""What is in the table, against what was acknowledged."""

from build.bench.arrangement import Arrangement


def count(arrangement: Arrangement, *, but_not: str) -> tuple[int, int]:
    """Return how many rows the table has, and of how many different events; not of one node.

    All events of a run have different ids and each batch is sent until it is acknowledged, so at
    the end both numbers must be what was acknowledged.
    """
    ((rows, events),) = arrangement.rows(
        "SELECT coalesce(sum(n), 0)::bigint, count(*) FROM"
        " (SELECT count(*) AS n FROM email_events WHERE mta_node <> %s GROUP BY event_id) AS ids",
        but_not,
    )
    return rows, events
