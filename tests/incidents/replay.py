"""Replay of a history through the detection, and the verdict on what it found. Pure.

An incident counts when so much of its mail was tried as the budget names. It is found when a block
of its provider, kind and subject is reported within minutes or attempts of its begin; any other
report is false, one of a wrong kind as well.
"""

import json
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.alerts.blocks.attempts import Attempts
from server.alerts.blocks.detection import Change, Detector
from tests.incidents.history import History
from tests.incidents.incidents import Trouble, generate_troubles
from tests.incidents.world import MINUTES_A_DAY, World

MIN_ATTEMPTS, MAX_MINUTES, MAX_ATTEMPTS = 20, 15, 12
#: After a trouble retries are refused for a while, which is of the same block.
AFTERWARDS = 180
LOOK_BACK_MINUTES = MINUTES_A_DAY
MINUTE_S = 60.0


@dataclass
class Verdict:
    """What a replay found. `false`: reports of nothing, or of the wrong thing, as texts."""

    days: int
    troubles: list[Trouble]
    false: list[str] = field(default_factory=list)
    missed_ends: list[str] = field(default_factory=list)

    @property
    def incidents(self) -> list[Trouble]:
        return [t for t in self.troubles if t.truth and t.attempts >= MIN_ATTEMPTS]

    @property
    def late(self) -> list[Trouble]:
        return [t for t in self.incidents if t.found_at is not None and not _in_time(t)]

    @property
    def missed(self) -> list[Trouble]:
        return [t for t in self.incidents if t.found_at is None]

    @property
    def is_good(self) -> bool:
        months = max(1.0, self.days / 30)
        return not self.missed and not self.late and len(self.false) <= months

    def format_text(self) -> list[str]:
        reported = [t for t in self.incidents if t.found_at is not None]
        in_time = [t for t in reported if _in_time(t)]
        minutes = [t.found_at - t.start for t in reported if t.found_at is not None]
        attempts = [t.attempts_until for t in reported]
        lines = [f"late: {_describe(t)}" for t in self.late]
        lines += [f"missed: {_describe(t)}" for t in self.missed]
        lines += [f"false: {text}" for text in self.false]
        lines += [f"not ended: {text}" for text in self.missed_ends]
        lines.append(
            f"{len(self.incidents)} incidents in {self.days} days: {len(in_time)} found in time,"
            f" {len(self.late)} late, {len(self.missed)} missed, {len(self.false)} false;"
            f" delay p50 {_rank(minutes, 0.5)} min, p95 {_rank(minutes, 0.95)} min"
        )
        figures = {
            "incidents": len(self.incidents),
            "found": len(in_time),
            "missed": len(self.missed) + len(self.late),
            "false": len(self.false),
            "delay_attempts_p50": _rank(attempts, 0.5),
            "delay_attempts_p95": _rank(attempts, 0.95),
            "days": self.days,
        }
        return [*lines, json.dumps(figures)]


def replay(days: int, *, seed: int = 1, messages_a_day: int = 1_000_000) -> Verdict:
    """Replay so many days and judge what the detection says."""
    chance = random.Random(seed)
    world = World(seed, messages_a_day)
    troubles = generate_troubles(world, days, chance)
    verdict = Verdict(days, troubles)
    detector = Detector()
    recent = _Recent()
    for minute, rows in History(world, troubles, chance).minutes(days * MINUTES_A_DAY):
        recent.add(minute, rows)
        for change in detector.observe(minute * MINUTE_S, rows, recent.look_back):
            _judge(verdict, change, minute + 1)
    for watch in detector.watches:
        started = watch.started_at / MINUTE_S
        of = _find(verdict.troubles, Change(watch), round(started))
        if of and of.end < days * MINUTES_A_DAY - 3 * MINUTES_A_DAY:
            verdict.missed_ends.append(
                f"{watch.provider} {watch.explanation} of day {started / 1440:.1f}"
            )
    return verdict


class _Recent:
    """Attempts of the last day, as a database has them."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, list[Attempts]]] = deque(maxlen=LOOK_BACK_MINUTES)

    def add(self, minute: int, rows: list[Attempts]) -> None:
        self._minutes.append((minute, rows))

    def look_back(self, provider: str, since: float) -> Iterator[Attempts]:
        for minute, rows in reversed(self._minutes):
            if minute * MINUTE_S < since:
                return
            yield from (row for row in rows if row[0] == provider)


def _judge(verdict: Verdict, change: Change, minute: int) -> None:
    if change.reason == "merged":
        # It was part of what is reported at the same moment.
        verdict.false = [text for text in verdict.false if not text.startswith(_name(change))]
    if change.ended_at is not None:
        return
    of = _find(verdict.troubles, change, minute)
    if of is None:
        near = [
            f"{t.name} of {t.provider} {t.truth}" for t in verdict.troubles
            if t.start <= minute <= t.end + AFTERWARDS and t.provider in {"", change.watch.provider}
        ]  # fmt: skip
        verdict.false.append(f"{_name(change)} {'; '.join(near)}")
    elif of.found_at is None:
        of.found_at, of.attempts_until = minute, of.attempts


def _name(change: Change) -> str:
    watch = change.watch
    return f"day {watch.started_at / 86_400:.3f} {watch.provider} {watch.kind} {watch.subject}"


def _find(troubles: list[Trouble], change: Change, minute: int) -> Trouble | None:
    watch = change.watch
    for trouble in troubles:
        if (
            trouble.truth == (watch.kind, watch.subject)
            and trouble.provider == watch.provider
            and trouble.start <= minute <= trouble.end + AFTERWARDS
        ):
            return trouble
    return None


def _in_time(trouble: Trouble) -> bool:
    assert trouble.found_at is not None
    return trouble.found_at - trouble.start <= MAX_MINUTES or trouble.attempts_until <= MAX_ATTEMPTS


def _describe(trouble: Trouble) -> str:
    after = "never" if trouble.found_at is None else f"after {trouble.found_at - trouble.start} min"
    return (
        f"{trouble.name} of {trouble.provider} {trouble.truth} day {trouble.start / 1440:.2f}"
        f" {after}, {trouble.attempts_until} of {trouble.attempts} attempts"
    )


def _rank(values: list[int], share: float) -> int | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
