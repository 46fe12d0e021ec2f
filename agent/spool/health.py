"""What waits in the spool and what was lost there, for the agent's own sample."""

from agent import clock
from agent.errors import SpoolError
from agent.samples import SpoolHealth
from agent.spool.database import Database
from agent.spool.plugins import DROPPED
from agent.spool.queue import NAMES

_OLDEST = """
    SELECT at_ms FROM (SELECT at_ms FROM events_packed ORDER BY first_seq LIMIT 1)
    UNION ALL SELECT at_ms FROM (SELECT at_ms FROM events ORDER BY seq LIMIT 1) LIMIT 1
"""


def spool_health(database: Database, *, limit_bytes: int) -> SpoolHealth | None:
    """Return the figures of the spool, None while it cannot be read. `limit_bytes`: what its events
    may take. Cheap: counters, and the first row of two tables."""
    try:
        with database.reading() as connection:
            found = dict(connection.execute("SELECT name, value FROM counters"))
            oldest = connection.execute(_OLDEST).fetchone()
    except SpoolError:
        return None
    samples = NAMES[1:]
    return SpoolHealth(
        spooled_events_count=found.get("events.count", 0),
        spooled_samples_count=sum(found.get(f"{name}.count", 0) for name in samples),
        oldest_event_at=clock.from_ms(oldest[0]) if oldest else None,
        spool_bytes=sum(found.get(f"{name}.bytes", 0) for name in NAMES),
        spool_limit_bytes=limit_bytes,
        dropped_events_total=found.get("events.dropped", 0),
        dropped_samples_total=sum(found.get(f"{name}.dropped", 0) for name in samples),
        plugin_dropped_total=found.get(DROPPED, 0),
        refused_events_total=found.get("events.refused", 0) + found.get("receiver.refused", 0),
    )
