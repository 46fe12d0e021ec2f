"""Replay of a rule over a history, by the same steps as the evaluator, a minute at a time. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from server.alerts.conditions.condition import Rule, Subject
from server.alerts.states import FIRING, NO_DATA, OK, Holds, Status, step

#: Seconds between two steps.
TICK_S = 60


class Point(NamedTuple):
    """A reading that holds from `start_s` until `end_s`, seconds since 1970. `value` None: not
    known. `of_count`: of how many a share is."""

    start_s: int
    end_s: int
    value: float | None
    of_count: float | None = None


@dataclass(frozen=True)
class Track:
    """The history of one subject, oldest first. `has_gaps`: between its points nothing is known;
    otherwise all was fine there."""

    subject: Subject
    points: Sequence[Point]
    has_gaps: bool = True


@dataclass(frozen=True)
class Firing:
    """A time in which a rule would have fired. `ended_s` None: it still would. `peak`: the worst
    value."""

    subject: Subject
    fired_s: int
    ended_s: int | None
    peak: float | None


def replay(rule: Rule, tracks: Iterable[Track], until_s: int) -> list[Firing]:
    """Return when the rule would have fired on the subjects that it matches, the newest first."""
    firings = [
        firing
        for track in tracks
        if rule.matches(track.subject.node, track.subject.name)
        for firing in _Replay(rule, track.subject).run(track, until_s)
    ]
    return sorted(firings, key=lambda one: (-one.fired_s, one.subject.name))


class _Replay:
    """The state of one subject while its history passes."""

    def __init__(self, rule: Rule, subject: Subject) -> None:
        self.rule, self.subject = rule, subject
        self.status = Status()
        self.peak: float | None = None
        self.sign = -1 if rule.condition.side == "below" else 1

    def run(self, track: Track, until_s: int) -> Iterator[Firing]:
        """Yield each time in which it fired."""
        judge = self.rule.judge_value
        between = Holds.UNKNOWN if track.has_gaps else Holds.NO
        at_s = track.points[0].start_s if track.points else until_s
        for point in track.points:
            if point.start_s >= until_s:
                break
            if point.start_s > at_s:
                yield from self._pass(between, at_s, point.start_s, None)
            holds = judge(point.value, point.of_count)
            if holds is not Holds.NO or self.status.state is not OK:  # most of the time it is fine
                end_s = min(point.end_s, until_s)
                yield from self._pass(holds, point.start_s, end_s, point.value)
            at_s = point.end_s
        if at_s < until_s:
            yield from self._pass(between, at_s, until_s, None)
        if self.status.fired_at is not None:
            fired_s = int(self.status.fired_at.timestamp())
            yield Firing(self.subject, fired_s, None, self.peak)

    def _pass(
        self, holds: Holds, start_s: int, end_s: int, value: float | None
    ) -> Iterator[Firing]:
        """Step through a time in which nothing changes, until nothing can change any more."""
        for second in range(start_s, end_s, TICK_S):
            before = self.status
            self.status = step(before, holds, self.rule.timing, datetime.fromtimestamp(second, UTC))
            if before.fired_at is not None and self.status.fired_at is None:
                fired_s = int(before.fired_at.timestamp())
                yield Firing(self.subject, fired_s, second, self.peak)
                self.peak = None
            if self.status.fired_at is not None:
                self._note_peak(value if holds is not Holds.NO else None)
            if self.status is before and before.state in (OK, FIRING, NO_DATA):
                return

    def _note_peak(self, value: float | None) -> None:
        if value is not None and (self.peak is None or self.sign * value > self.sign * self.peak):
            self.peak = value
