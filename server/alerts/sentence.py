"""The sentence about the present that pages and live frames begin with. Pure.

Times and ages stay values inside it: a page shows them in the reader's zone, and ages grow while
nothing new comes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from server.alerts.backlog import describe_unstored, is_worker_silent, judge_backlog
from server.alerts.node_problems import NodeProblem
from server.alerts.nodes import judge_reporting, worst_level
from server.alerts.problems import (
    BlockedMail,
    FailingDestination,
    MissingEvents,
    OldMail,
    Problem,
    WrongClock,
)
from server.events.domains import to_unicode
from server.events.vocabulary import OUTCOMES
from server.formats import duration, isolate, thousands
from server.nodes.queries import Reporting
from server.observability.backlog import NOTHING_WAITS, Backlog
from server.rollups.mail.queries import HourTotals

#: The sentence names this many problems and counts the others.
MAX_NAMED_PROBLEMS = 3
#: Characters of a remote server's reply in the sentence.
MAX_REPLY_CHARS = 60
QUIET = "no mail in the last 60 minutes"


@dataclass(frozen=True)
class ClockTime:
    """A time of day, shown in the reader's zone."""

    at: datetime


@dataclass(frozen=True)
class Age:
    """How long ago something was."""

    since: datetime


Part = str | ClockTime | Age


@dataclass(frozen=True)
class Sentence:
    """`level`: ok, warning, critical, or none when there is nothing to judge yet."""

    level: str
    parts: tuple[Part, ...]

    def text(self, now: datetime) -> str:
        """Return the sentence as text, its times in UTC."""
        return "".join(_text(part, now) for part in self.parts)

    def as_json(self) -> dict[str, Any]:
        """Return what a live frame carries: texts, {"time": …} and {"age_of": …}."""
        return {"level": self.level, "parts": [_json(part) for part in self.parts]}


def build_sentence(
    hour: HourTotals,
    nodes: Reporting,
    problems: Sequence[Problem] = (),
    *,
    complete: bool | None = None,
    backlog: Backlog = NOTHING_WAITS,
    now: datetime | None = None,
) -> Sentence:
    """Judge the server, mail, nodes and problems of one moment.

    `complete`: whether all numbered events arrived; None when that is not known. `backlog`: as it
    was `now`. While it waits to be stored the mail of this hour is not known either.
    """
    own_level = judge_backlog(backlog, now) if now else "ok"
    if now is None or own_level == "ok":
        level, parts = _judge_nodes(hour, nodes)
    else:
        level, parts = _judge_unstored(backlog, nodes, own_level, now)
    if not problems:
        done = [", data complete"] if complete and level == "ok" else []
        return Sentence(level, _merge_texts([*parts, *done]))
    named = [_problem_parts(problem) for problem in problems[:MAX_NAMED_PROBLEMS]]
    if len(problems) > MAX_NAMED_PROBLEMS:
        named.append([f"{len(problems) - MAX_NAMED_PROBLEMS} more"])
    count = "1 thing needs" if len(problems) == 1 else f"{len(problems)} things need"
    level = worst_level({level, *(problem.level for problem in problems)})
    return Sentence(level, _merge_texts([*parts, f" · {count} attention: ", *_join(named, " · ")]))


def _judge_unstored(
    backlog: Backlog, nodes: Reporting, level: str, now: datetime
) -> tuple[str, list[Part]]:
    silent = [" · ", *_silent(nodes)] if nodes.reporting < nodes.known else []
    if not backlog.is_known:
        return level, ["Redis does not answer this server: nothing is accepted", *silent]
    waiting = f"{describe_unstored(backlog)} to be stored"
    if not is_worker_silent(backlog, now):
        return level, [f"{waiting}, the oldest for ", Age(backlog.oldest_at or now), *silent]
    if backlog.worker_at is None:
        return level, [f"{waiting}: no worker has run yet", *silent]
    return level, [f"{waiting}: the worker has not run for ", Age(backlog.worker_at), *silent]


def _judge_nodes(hour: HourTotals, nodes: Reporting) -> tuple[str, list[Part]]:
    known, reporting = nodes.known, nodes.reporting
    mail_level, mail = _judge_mail(hour)
    if known == 0:
        counted = "" if mail == QUIET else "; mail is counted nevertheless"
        return "none", [f"No node has reported yet{counted}"]
    if nodes.newest_sample_at is None:
        return "warning", [f"{_nodes(known, 'is', 'are')} known but never sent a sample"]
    if reporting == known:
        everyone = "" if known == 1 else "All "
        return mail_level, [f"{everyone}{_nodes(known, 'reports', 'report')}, {mail}"]
    level = judge_reporting(nodes)
    return worst_level({level, mail_level}), [
        *_silent(nodes),
        *([f" · {mail}"] if reporting else []),
    ]


def _silent(nodes: Reporting) -> list[Part]:
    """Name the silent nodes."""
    known, reporting = nodes.known, nodes.reporting
    named: list[list[Part]] = [
        [f"{isolate(name)} for ", Age(seen_at)] if seen_at else [f"{isolate(name)} (never seen)"]
        for name, seen_at in nodes.silent
    ]
    unnamed = known - reporting - len(named)
    if unnamed > 0:
        named.append([f"{unnamed} more"])
    who = (
        "The only node is silent" if known == 1 else f"{known - reporting} of {known} nodes silent"
    )
    return [f"{who}: ", *_join(named, ", ")]


def _judge_mail(hour: HourTotals) -> tuple[str, str]:
    outbound = hour.outbound
    if not any([*hour.inbound.values(), *outbound.values()]):
        return "ok", QUIET
    if not outbound["delivered"] and any(outbound[outcome] for outcome in OUTCOMES["outbound"]):
        return "critical", "nothing delivered in the last 60 minutes"
    return "ok", "mail flows"


def _problem_parts(problem: Problem) -> list[Part]:
    if isinstance(problem, NodeProblem):
        return [problem.text]
    if isinstance(problem, BlockedMail | FailingDestination):
        return _refused_parts(problem)
    if isinstance(problem, MissingEvents):
        count = problem.count
        events = "1 event is" if count == 1 else f"{thousands(count)} events are"
        return [f"{events} missing from {isolate(problem.node) or 'a key of no node'}"]
    if isinstance(problem, OldMail):
        return ["mail waits for ", Age(problem.since)]
    if isinstance(problem, WrongClock):
        side = "ahead" if problem.ahead_s > 0 else "behind"
        return [f"the clock of {isolate(problem.node)} is {duration(abs(problem.ahead_s))} {side}"]
    first, *others = problem.instances
    more = f" and {len(others)} more" if others else ""
    return [f"{thousands(problem.count)} stranded at {isolate(first)}{more}"]


def _refused_parts(problem: BlockedMail | FailingDestination) -> list[Part]:
    if isinstance(problem, BlockedMail):
        what, words = problem.text, problem.cause
    else:
        what = f"{isolate(to_unicode(problem.domain))} {problem.verb}"
        words = isolate(_cut(problem.words))
    reply = [f" ({words})"] if words else []
    return [f"{what} since ", ClockTime(problem.since), *reply]


def _cut(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= MAX_REPLY_CHARS else f"{line[: MAX_REPLY_CHARS - 1]}…"


def _nodes(count: int, one: str, many: str) -> str:
    return f"{count} node {one}" if count == 1 else f"{count} nodes {many}"


def _join(groups: Iterable[Sequence[Part]], separator: str) -> list[Part]:
    joined: list[Part] = []
    for group in groups:
        joined += [separator, *group] if joined else group
    return joined


def _merge_texts(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Make neighbouring texts one."""
    merged: list[Part] = []
    for part in parts:
        if merged and isinstance(part, str) and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return tuple(merged)


def _text(part: Part, now: datetime) -> str:
    if isinstance(part, ClockTime):
        return f"{part.at.astimezone(UTC):%H:%M}"
    return part if isinstance(part, str) else duration((now - part.since).total_seconds())


def _json(part: Part) -> Any:
    if isinstance(part, ClockTime):
        return {"time": part.at.isoformat()}
    return part if isinstance(part, str) else {"age_of": part.since.isoformat()}
