"""Evaluation of the newest minutes: reads attempts, keeps blocks and the state of detection."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic

from django.db import transaction

from server.alerts.backlog import unstored
from server.alerts.blocks import records, state
from server.alerts.blocks.attempts import Attempts
from server.alerts.blocks.detection import Detector
from server.alerts.blocks.models import BlockDetection
from server.alerts.blocks.queries import read_attempts
from server.observability.backlog import read_backlog
from server.rollups.plan import floor

logger = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)
#: What happened so recently may not have arrived.
SETTLES_AFTER = timedelta(seconds=15)
#: How far back the first evaluation begins, and one that was away for longer.
MAX_BEHIND = timedelta(hours=24)
#: Minutes of one transaction, and how long a run goes on while it is behind.
MAX_MINUTES, MAX_RUN_S = 30, 40.0


def catch_up(now: datetime) -> int:
    """Evaluate all minutes that are over; return how many. Safe to run twice, and at any time."""
    begun, count = monotonic(), 0
    end = find_end(now)
    while done := evaluate(end):
        count += done
        if monotonic() - begun > MAX_RUN_S:
            break
    return count


def find_end(now: datetime) -> datetime:
    """Return the time until which all that was accepted is stored."""
    backlog = read_backlog()
    return floor(now - SETTLES_AFTER - unstored(backlog, now), MINUTE)


def evaluate(end: datetime) -> int:
    """Evaluate the next minutes before `end`, MAX_MINUTES at most; return how many.

    One at a time: none while another one does it.
    """
    with transaction.atomic():
        row = _lock(end)
        if row is None:
            return 0
        start = max(row.until, end - MAX_BEHIND)
        last = min(end, start + MAX_MINUTES * MINUTE)
        if start >= last:
            return 0
        detector = _load(row)
        window = read_attempts(start, last)
        changes = []
        minutes = int((last - start) / MINUTE)
        for number in range(minutes):
            minute = start + number * MINUTE
            rows = window.by_minute.get(int(minute.timestamp()), [])

            def look_back(
                provider: str, since: float, until: datetime = minute + MINUTE
            ) -> Iterator[Attempts]:
                since_at = datetime.fromtimestamp(since, UTC)
                its = read_attempts(since_at, until, provider=provider).by_minute
                return (row for rows in its.values() for row in rows)

            changes += detector.observe(minute.timestamp(), rows, look_back)
        records.store(changes, detector.watches)
        _save(row, detector, last, window.left_out_count)
    for change in changes:
        watch, what = change.watch, change.reason or "begun"
        logger.info("Block %s: %s, %s %r", what, watch.provider, watch.kind, watch.subject)
    return minutes


def _lock(end: datetime) -> BlockDetection | None:
    new = Detector()
    BlockDetection.objects.bulk_create(
        [
            BlockDetection(
                until=end - MAX_BEHIND, cells=state.dump_cells(new), baseline_at=end,
                baseline=state.dump_baseline(new.baseline),
            )
        ],
        ignore_conflicts=True,
    )  # fmt: skip
    return BlockDetection.objects.select_for_update(skip_locked=True).filter(pk=1).first()


def _load(row: BlockDetection) -> Detector:
    try:
        return state.load(bytes(row.cells), bytes(row.baseline))
    except ValueError:
        logger.exception("The detection of blocks begins anew")
        return Detector()


def _save(row: BlockDetection, detector: Detector, until: datetime, left_out: int) -> None:
    faded_at = datetime.fromtimestamp(detector.baseline.faded_at, UTC)
    row.until, row.cells = until, state.dump_cells(detector)
    row.dropped_cells = detector.dropped_cells
    row.left_out_rows += left_out
    fields = ["until", "cells", "dropped_cells", "left_out_rows"]
    if row.baseline_at != faded_at:
        row.baseline, row.baseline_at = state.dump_baseline(detector.baseline), faded_at
        fields += ["baseline", "baseline_at"]
    row.save(update_fields=fields)
