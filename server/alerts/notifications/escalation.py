"""Escalation: who is notified later, of critical alerts that nobody has acknowledged. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from server.alerts.notifications.decisions import Draft, Kind, make_key

MINUTE = timedelta(minutes=1)
#: Repetitions of one alert; by then it has been repeated for days.
MAX_REPEATS = 500


@dataclass(frozen=True)
class Step:
    """Channels that are notified `after` an alert was first notified."""

    after: timedelta
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The later steps of a route, and how often the last is repeated; zero: never."""

    route: str
    steps: tuple[Step, ...]
    repeat_every: timedelta = timedelta()

    def list_due(self, waited: timedelta) -> Iterator[tuple[str, str, int]]:
        """Yield (kind, channel, number) of whatever is due once an alert has waited so long.

        The number of a step, or of a repetition; both are part of the key.
        """
        for number, step in enumerate(self.steps[1:], start=1):
            if waited >= step.after:
                for channel in step.channels:
                    yield Kind.ESCALATED, channel, number
        if self.steps and self.repeat_every:
            last = self.steps[-1]
            number = min((waited - last.after) // self.repeat_every, MAX_REPEATS)
            if number > 0:
                for channel in last.channels:
                    yield Kind.REPEATED, channel, number


@dataclass(frozen=True)
class OpenAlert:
    """A critical alert that fires, was notified by these routes, and nobody has acknowledged."""

    alert_id: int
    transition_id: int
    incident_id: int | None
    notified_at: datetime
    routes: tuple[str, ...]


def escalate(
    alerts: Iterable[OpenAlert], plans: Sequence[Plan], now: datetime
) -> Iterator[tuple[OpenAlert, Draft]]:
    """Yield what is due. The keys are the same each time; of repetitions only the
    newest is yielded, so that what was missed while nobody sent is not made up for."""
    by_route = {plan.route: plan for plan in plans}
    for alert in alerts:
        for route in alert.routes:
            plan = by_route.get(route)
            for kind, channel, number in plan.list_due(now - alert.notified_at) if plan else ():
                key = make_key(alert.alert_id, kind, channel, number)
                yield alert, Draft(kind, route, channel, key)


def find_quiet_end(
    now: datetime, quiet_from: time | None, quiet_to: time | None, zone: ZoneInfo
) -> datetime | None:
    """Return when the quiet hours end that `now` is in; None outside of them. They may cross
    midnight; the clock is the zone's, whatever its offset is that night."""
    if quiet_from is None or quiet_to is None or quiet_from == quiet_to:
        return None
    local = now.astimezone(zone)
    at = local.time()
    crosses = quiet_from > quiet_to
    is_quiet = (at >= quiet_from or at < quiet_to) if crosses else quiet_from <= at < quiet_to
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1) if crosses and at >= quiet_from else local.date()
    # Where the clock shows an hour twice, the end is in the same turn of it as now.
    return datetime.combine(day, quiet_to, zone).replace(fold=local.fold)
