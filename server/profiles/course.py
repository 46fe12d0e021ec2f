"""Judgement of a course: whether mail is refused more than usual, and since when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from server.profiles.outcomes import Outcomes, Stretch

#: A step or day with fewer attempts than this neither begins nor ends anything.
MIN_STEP_ATTEMPTS = 3
#: So many attempts make a course that is worth a sentence.
MIN_ATTEMPTS = 10
#: From this share of refusals on it may be worse than usual; usual is the median day's share.
WORSE_RATIO, TIMES_USUAL = 0.25, 2.0
#: Nobody refuses more than this as a rule: from here on it is worse, whatever is usual.
ALWAYS_WORSE_RATIO = 0.95


@dataclass(frozen=True)
class Worse:
    """Since when a larger share than usual is refused, and of how many attempts of the course.

    `since`: the beginning of a step, or of a day where `is_day`; `last_at`: of the newest step with
    attempts.
    """

    since: datetime
    last_at: datetime
    attempts: int
    refused: int
    usual_ratio: float
    is_day: bool = False


def find_worse(course: Sequence[Stretch], days: Sequence[Stretch]) -> Worse | None:
    """Return the worsening that lasts to the newest attempts; None: there is none.

    `course`: the newest steps; `days`: those before, with the running one. What was worse all of
    the course is followed further back by days.
    """
    usual = _usual_ratio(days[:-1])
    bound = min(max(WORSE_RATIO, TIMES_USUAL * usual), ALWAYS_WORSE_RATIO)
    steps, reaches_back = _worse_from(course, bound)
    attempts = sum(step.outcomes.attempts for step in steps)
    if attempts < MIN_ATTEMPTS:
        return None
    refused = sum(step.outcomes.refused for step in steps)
    earlier, _ = _worse_from([day for day in days if day.start < steps[0].start], bound)
    is_day = reaches_back and bool(earlier)
    since = (earlier if is_day else steps)[0].start
    return Worse(since, steps[-1].start, attempts, refused, usual, is_day)


def refused_ratio(outcomes: Outcomes) -> float:
    return outcomes.refused / outcomes.attempts if outcomes.attempts else 0.0


def _usual_ratio(days: Sequence[Stretch]) -> float:
    known = [d.outcomes for d in days if d.outcomes.attempts >= MIN_STEP_ATTEMPTS]
    return median(refused_ratio(outcomes) for outcomes in known) if known else 0.0


def _worse_from(steps: Sequence[Stretch], bound: float) -> tuple[list[Stretch], bool]:
    """Return the newest steps that are all worse, and whether no better one comes before them."""
    worse: list[Stretch] = []
    waiting: list[Stretch] = []
    for step in reversed(steps):
        if step.outcomes.attempts < MIN_STEP_ATTEMPTS:
            waiting.append(step)
            continue
        if refused_ratio(step.outcomes) < bound:
            return worse[::-1], False
        worse += [*waiting, step] if worse else [step]
        waiting = []
    return worse[::-1], True
