"""States of a subject under a rule, and the step from one round to the next. Pure.

As in Prometheus: a condition that holds is pending until it has held for `for_s`, then it fires;
after its end the alert stays (recovering) for `keep_firing_for_s`, so that one that comes and goes
is one alert. A firing one ends only beyond the other threshold, `clear`. Without data nothing is
known: what fired goes on, what was fine is not fine.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from server.alerts.models import State

OK, PENDING, FIRING = State.OK, State.PENDING, State.FIRING
RECOVERING, NO_DATA = State.RECOVERING, State.NO_DATA


class Holds(Enum):
    """Whether a condition holds. BETWEEN: past `clear`, and not past the threshold to fire."""

    YES = auto()
    BETWEEN = auto()
    NO = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Timing:
    """Seconds a condition must hold before it fires, and for which it goes on after its end."""

    for_s: float = 0.0
    keep_firing_for_s: float = 0.0


@dataclass(frozen=True)
class Status:
    """The state of a subject. `since`: of the state; `fired_at`: None where it has not fired, or
    its alert has ended."""

    state: State = OK
    since: datetime | None = None
    fired_at: datetime | None = None


def step(previous: Status, holds: Holds, timing: Timing, now: datetime) -> Status:
    """Return the status after a reading. The same one where nothing changes.

    Times that lie ahead, after a clock was set back, count as now.
    """
    if holds is Holds.UNKNOWN:
        return _change(previous, NO_DATA, now)
    if previous.fired_at is not None:
        return _step_fired(previous, holds, timing, now)
    if holds is not Holds.YES:
        return previous if previous.state is OK else Status(OK, now)
    if previous.state is not PENDING:
        previous = Status(PENDING, now)
    if _age_s(previous, now) >= timing.for_s:
        return Status(FIRING, now, fired_at=now)
    return previous


def _step_fired(previous: Status, holds: Holds, timing: Timing, now: datetime) -> Status:
    """Step an alert that has fired and not ended."""
    if holds is not Holds.NO:
        return _change(previous, FIRING, now)
    if previous.state is not RECOVERING:
        previous = _change(previous, RECOVERING, now)
    if _age_s(previous, now) >= timing.keep_firing_for_s:
        return Status(OK, now)
    return previous


def _change(previous: Status, state: State, now: datetime) -> Status:
    return previous if previous.state is state else replace(previous, state=state, since=now)


def _age_s(status: Status, now: datetime) -> float:
    return (now - status.since).total_seconds() if status.since else 0.0
