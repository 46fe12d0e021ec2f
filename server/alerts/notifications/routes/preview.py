"""Preview of the routes: who would be notified of an alert now, when, and by which route. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from server.alerts.models import Severity, State
from server.alerts.notifications.decisions import Flip, decide_notifications
from server.alerts.notifications.escalation import find_quiet_end
from server.alerts.notifications.models import NotificationRoute
from server.alerts.notifications.queries import build_plan, build_route


@dataclass(frozen=True)
class Wake:
    """A channel that would be notified. `after`: while nobody acknowledges; `repeat_every`: again
    and again, zero: once; `held_until`: the end of the quiet hours, None: it goes at once."""

    channel: str
    route: str
    after: timedelta = timedelta()
    repeat_every: timedelta = timedelta()
    held_until: datetime | None = None
    is_enabled: bool = True


def preview_wakes(
    alert: Flip, routes: Sequence[NotificationRoute], channels: Collection[str], now: datetime
) -> list[Wake]:
    """Return who would be notified of an alert that fires now, the first first. `channels`: the
    names of those that are switched on."""
    wakes = sorted(_list_wakes(alert, routes, channels, now), key=lambda wake: wake.after)
    return list(dict.fromkeys(wakes))


def make_flip(rule: str, severity: str, subject: str, node: str, now: datetime) -> Flip:
    """Return the flip of an alert that fires now."""
    return Flip(0, rule, severity, "", subject, node, now, State.FIRING)


def _list_wakes(
    alert: Flip, routes: Sequence[NotificationRoute], channels: Collection[str], now: datetime
) -> Iterator[Wake]:
    by_name = {row.name: row for row in routes}
    is_critical = alert.severity == Severity.CRITICAL
    drafts = decide_notifications(alert, [build_route(row) for row in routes])
    for draft in drafts:
        row = by_name[draft.route]
        held_until = None if is_critical else find_held_until(row, now)
        yield Wake(
            draft.channel, row.name, held_until=held_until, is_enabled=draft.channel in channels
        )
    for name in dict.fromkeys(draft.route for draft in drafts) if is_critical else ():
        plan = build_plan(by_name[name])
        for place, step in enumerate(plan.steps):
            is_last = place == len(plan.steps) - 1
            repeat = plan.repeat_every if is_last else timedelta()
            for channel in step.channels if place or repeat else ():
                yield Wake(channel, name, step.after + (timedelta() if place else repeat),
                           repeat, is_enabled=channel in channels)  # fmt: skip


def find_held_until(route: NotificationRoute, now: datetime) -> datetime | None:
    """Return until when a route holds back what is not critical; None: it does not now."""
    return find_quiet_end(now, route.quiet_from, route.quiet_to, ZoneInfo(route.time_zone))
