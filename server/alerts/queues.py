"""Judgement of the mail queues, the same on every page. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from server.alerts.conditions import mail_queue
from server.alerts.conditions.condition import find_thresholds
from server.alerts.nodes import worst_level
from server.alerts.present.standing import NONE_STANDS, Standing, build_glance, step_standing
from server.mailqueues.accounting import Database, Share

_THRESHOLDS = find_thresholds(mail_queue.RULES)
#: A message that has waited longer needs a look; longer than the second, at once.
OLDEST_WARNING = timedelta(seconds=_THRESHOLDS["oldest_waiting"])
OLDEST_CRITICAL = timedelta(seconds=_THRESHOLDS["oldest_waiting_day"])
CONDITIONS = tuple(condition.name for condition in mail_queue.CONDITIONS)


def judge_queues(
    queues: Sequence[Database], now: datetime, standing: Standing = NONE_STANDS
) -> str:
    """Return the level of all queues: of their alerts, stepped over these readings. Of one that is
    not read in time nothing is known now, and somebody must see why: that is a warning, and the
    others are judged all the same."""
    if not queues:
        return "none"
    glance = build_glance(now, alerts=standing.alerts, queues=queues)
    stepped = step_standing(standing, glance, only=CONDITIONS)
    is_stale = any(queue.reading.is_stale(now) for queue in queues)
    return worst_level({stepped.level_of(CONDITIONS) or "ok", "warning" if is_stale else "ok"})


def judge_age(oldest: timedelta | None) -> str:
    """Return the level of queues whose oldest message waits for so long; ok where none waits."""
    if oldest is None or oldest <= OLDEST_WARNING:
        return "ok"
    return "critical" if oldest > OLDEST_CRITICAL else "warning"


def oldest_created_at(queues: Sequence[Database]) -> datetime | None:
    """Return when the oldest waiting message was queued; None where none waits or is known."""
    details = [queue.detail[1] for queue in queues if queue.detail]
    return min((d.oldest_created_at for d in details if d.oldest_created_at), default=None)


def list_stranded(queues: Sequence[Database]) -> list[Share]:
    """Return what no living ZoneMTA sends, as last read, the largest share of each queue first."""
    return [share for queue in queues for share in queue.stranded or () if share.count]
