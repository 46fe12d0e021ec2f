"""The Dramatiq actor that looks for blocks."""

import logging

import dramatiq
from django.utils import timezone

from server.alerts.blocks.evaluation import catch_up
from server.alerts.blocks.scheduler import EVALUATED_EVERY_S
from server.observability import beats
from server.observability.beats import Task

logger = logging.getLogger(__name__)

#: Of a day that was missed so much is made up for in one run, and the rest in the next.
TIME_LIMIT_MS = 120_000


@dramatiq.actor(queue_name="alerts", max_retries=0, time_limit=TIME_LIMIT_MS)
def evaluate_blocks() -> None:
    """Look for blocks in what has happened. Safe to run twice; a failure is made up for by the next
    run."""
    task = Task("blocks-run", EVALUATED_EVERY_S)
    try:
        catch_up(timezone.now())
        task.done()
    except Exception as error:
        logger.exception("Blocks were not evaluated, the next run makes up for it")
        task.failed(error)
    beats.write(task)
