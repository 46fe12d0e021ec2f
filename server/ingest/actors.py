"""Dramatiq actors: they drain an inbox when the ingest endpoint or the sweeper wakes them, and
reclassify what is stored."""

import dramatiq

from server.ingest import writer
from server.rollups import reclassify

#: A drain takes MAX_DRAIN_S; a transaction that takes longer than this is stuck.
TIME_LIMIT_MS = 60_000
#: A run goes on for so long and then sends itself again, so that housekeeping gets its turn; a day
#: that takes longer than the limit is tried again.
MAX_RECLASSIFY_S, RECLASSIFY_TIME_LIMIT_MS = 60.0, 600_000
MAX_RETRIES, MIN_BACKOFF_MS = 5, 15_000


@dramatiq.actor(queue_name="events", max_retries=0, time_limit=TIME_LIMIT_MS)
def write_events() -> None:
    """Store accepted events. Safe to run twice; after a failure the sweeper wakes the next."""
    if writer.drain_events(wake_second_writer=write_events.send):
        write_events.send()


@dramatiq.actor(queue_name="samples", max_retries=0, time_limit=TIME_LIMIT_MS)
def write_samples() -> None:
    """Store accepted samples. Safe to run twice."""
    if writer.drain_samples(wake_second_writer=write_samples.send):
        write_samples.send()


@dramatiq.actor(
    queue_name="housekeeping", max_retries=MAX_RETRIES, min_backoff=MIN_BACKOFF_MS,
    time_limit=RECLASSIFY_TIME_LIMIT_MS,
)  # fmt: skip
def reclassify_days(pk: int) -> None:
    """Go on with a request. Safe to run twice; after a stop it goes on with the day it was at."""
    if reclassify.proceed(pk, max_s=MAX_RECLASSIFY_S):
        reclassify_days.send(pk)
