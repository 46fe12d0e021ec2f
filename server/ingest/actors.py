"""Dramatiq actors: woken by the ingest endpoint or the sweeper, they drain an inbox."""

import dramatiq

from server.ingest import writer

#: A drain takes MAX_DRAIN_S; a transaction that takes longer than this is stuck.
TIME_LIMIT_MS = 60_000


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
