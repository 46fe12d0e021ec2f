"""Comparison of captured outcomes with ZoneMTA's own counters, hour by hour.

ZoneMTA counts in its master process, anew at each start, attempts that ended as delivered, rejected
or deferred, in every zone and with its own notifications. Those are compared. It does not count
queued recipients (only messages that came by SMTP), dropped, deleted or expired ones.
"""

import threading
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent import clock
from agent.events.outcome_counts import OutcomeCounts
from agent.samples import Reconciliation, ZoneMtaReadings

SPAN = timedelta(hours=1)
# A span is compared so long after its end: a plugin that found no agent reports late, and the
# change stream waits its grace.
SETTLE = timedelta(minutes=2)
# Spans that wait for that, and spans in each sample.
MAX_SPANS = 4
#: ZoneMTA's status of an attempt → event type.
OUTCOMES = {"delivered": "delivered", "rejected": "bounced", "deferred": "deferred"}


@dataclass(frozen=True)
class _Reading:
    at: datetime
    started_at_s: int | None
    totals: Counter[str]


@dataclass(frozen=True)
class _Span:
    begin: datetime
    end: datetime
    counted: Counter[str]


class Reconciler:
    """Takes ZoneMTA's readings from the collector, gives the comparison to the agent's sample."""

    def __init__(self, captured: OutcomeCounts) -> None:
        self._captured = captured
        self._lock = threading.Lock()
        self._first: _Reading | None = None
        self._waiting: deque[_Span] = deque(maxlen=MAX_SPANS)
        self._lines: deque[list[Reconciliation]] = deque(maxlen=MAX_SPANS)

    def take(self, readings: ZoneMtaReadings, at: datetime) -> None:
        """Take counters that were read at `at`. Those of another start begin a new span: the last
        counts of the master before are not known, so that time is not compared."""
        totals: Counter[str] = Counter()
        for delivery in readings.deliveries:
            totals[OUTCOMES.get(delivery.status, "")] += delivery.count
        reading = _Reading(at, readings.started_at_s, totals)
        with self._lock:
            first = self._first
            if first is None or _is_another_start(first, reading):
                self._first = reading
            elif at - first.at >= SPAN:
                counted = Counter({name: totals[name] - first.totals[name] for name in totals})
                self._waiting.append(_Span(first.at, at, counted))
                self._first = reading

    def lines(self) -> list[Reconciliation]:
        """Return the comparison of the last hours, a line an outcome, oldest first."""
        with self._lock:
            while self._waiting and clock.utc_now() - self._waiting[0].end >= SETTLE:
                self._lines.append(self._compare(self._waiting.popleft()))
            return [line for lines in self._lines for line in lines]

    def _compare(self, span: _Span) -> list[Reconciliation]:
        captured = self._captured.between(span.begin, span.end)
        return [
            Reconciliation(
                program="zonemta",
                from_at=span.begin,
                to_at=span.end,
                outcome=outcome,
                counted=span.counted[outcome],
                captured=max(captured[outcome], 0),
            )
            for outcome in OUTCOMES.values()
        ]


def _is_another_start(first: _Reading, reading: _Reading) -> bool:
    if first.started_at_s != reading.started_at_s:
        return True
    # A version without its start's time: counters never fall otherwise.
    return any(reading.totals[name] < first.totals[name] for name in OUTCOMES.values())
