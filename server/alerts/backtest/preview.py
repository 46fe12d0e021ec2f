"""Preview of a rule: when it would have fired in the last 30 days. Bounded in time."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError, connection, transaction

from server.alerts.backtest.history import HISTORIES, HistoryTooLong
from server.alerts.backtest.replay import TICK_S, Firing, replay
from server.alerts.conditions.condition import Rule
from server.rollups.levels import FIVE_MINUTES
from server.rollups.plan import floor

SPAN = timedelta(days=30)
#: A statement that takes longer ends the preview: somebody waits before a form.
STATEMENT_TIMEOUT_S = 4
QUERY_CANCELED = "57014"
#: A preview of more is made anew each time; CACHES bounds how many there are.
MAX_CACHED_FIRINGS = 1_000


@dataclass(frozen=True)
class Preview:
    """When a rule would have fired from `start` to `end`. `start`: where the history begins, in
    the span. `reason`: why nothing is known; empty where it is. `note`: how exact it is."""

    start: datetime
    end: datetime
    firings: tuple[Firing, ...] = ()
    subjects_count: int = 0
    reason: str = ""
    note: str = ""

    def lasted_s(self, firing: Firing) -> float:
        """Return for how long it fired; of one that still does, until now."""
        return (firing.ended_s or self.end.timestamp()) - firing.fired_s

    @property
    def firing_s(self) -> float:
        """All these times together."""
        return sum(map(self.lasted_s, self.firings))


def preview_rule(rule: Rule, now: datetime) -> Preview:
    """Replay a rule over the history of its condition, up to the last five minutes, of which the
    levels are. The same for all who ask meanwhile: each page of a rule asks at each refresh."""
    now = floor(now, FIVE_MINUTES.width)
    judged = (rule.condition.name, sorted(rule.values.items()), rule.nodes, rule.subjects, now)
    key = f"preview:{hashlib.sha256(repr(judged).encode()).hexdigest()}"
    known: Preview | None = cache.get(key) if settings.READ_CACHE_SECONDS else None
    if known is not None:
        return known
    preview = _preview(rule, now)
    if settings.READ_CACHE_SECONDS and len(preview.firings) <= MAX_CACHED_FIRINGS:
        cache.set(key, preview, FIVE_MINUTES.width.total_seconds())
    return preview


def _preview(rule: Rule, now: datetime) -> Preview:
    start, history = now - SPAN, HISTORIES.get(rule.condition.name)
    if history is None:
        reason = (
            "No history is kept of what this rule reads, so nobody knows what it would have done."
        )
        return Preview(start, now, reason=reason)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
            tracks = history.read(start, now, rule)
    except (OperationalError, HistoryTooLong) as error:
        is_slow = getattr(error.__cause__, "pgcode", None) == QUERY_CANCELED
        if not is_slow and isinstance(error, OperationalError):
            raise
        return Preview(start, now, reason="The history is too long to be read while you wait.")
    starts = [track.points[0].start_s for track in tracks if track.points]
    if not starts:
        return Preview(start, now, reason="There is no history yet of what this rule reads.")
    matched = [t for t in tracks if rule.matches(t.subject.node, t.subject.name)]
    until_s = int(now.timestamp()) // TICK_S * TICK_S
    return Preview(
        max(start, datetime.fromtimestamp(min(starts), UTC)),
        now,
        tuple(replay(rule, matched, until_s)),
        len(matched),
        note=history.note,
    )
