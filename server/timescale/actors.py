"""The Dramatiq actor of housekeeping."""

import logging
from datetime import datetime

import dramatiq
from django.utils import timezone

from server.observability import beats
from server.observability.beats import Task
from server.timescale import retention
from server.timescale.scheduler import HOUSEKEEPING_EVERY_S

logger = logging.getLogger(__name__)

#: Dropping a chunk is deleting files; what takes longer than this waits for a lock.
TIME_LIMIT_MS = 600_000


@dramatiq.actor(queue_name="housekeeping", max_retries=0, time_limit=TIME_LIMIT_MS)
def run_housekeeping() -> None:
    """Apply the retention settings. Safe to run twice; a failure is made up for by the next run."""
    task = Task("housekeeping-run", HOUSEKEEPING_EVERY_S)
    try:
        _apply_retention(timezone.now())
        task.done()
    except Exception as error:
        logger.exception("Housekeeping failed, the next run makes up for it")
        task.failed(error)
    beats.write(task)


def _apply_retention(now: datetime) -> None:
    for chunk in retention.apply(now):
        logger.info("Dropped %s, which is past its retention", chunk)
    for name, count in retention.delete_old_rows(now).items():
        if count:
            logger.info("Deleted %d %s, which are past their retention", count, name)
