"""The sentence about the present that pages and live frames begin with. Pure.

Times and ages stay values inside it: a page shows them in the reader's zone, and ages grow while
nothing new comes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from server.alerts.backlog import describe_unstored, is_worker_silent, judge_backlog
from server.alerts.evaluator.causes import SERVER
from server.alerts.nodes import judge_reporting, worst_level
from server.alerts.present.problems import (
    BlockedMail,
    FailingDestination,
    Handled,
    MissingEvents,
    NodeProblem,
    OldMail,
    OpenAlert,
    Problem,
    WrongClock,
    describe_alert,
)
from server.alerts.present.standing import NONE_STANDS, Finding, Standing
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
    handled: Sequence[Handled] = (),
    standing: Standing = NONE_STANDS,
    complete: bool | None = None,
    backlog: Backlog = NOTHING_WAITS,
    now: datetime | None = None,
) -> Sentence:
    """Judge the server, mail, nodes and problems of one moment.

    `complete`: whether all numbered events arrived; None when that is not known. `backlog`: as it
    was `now`. While it waits to be stored the mail of this hour is not known either. `handled`:
    what needs nobody now. `standing`: whose alerts of nodes and mail the sentence begins with.
    """
    own_level = judge_backlog(backlog, now) if now else "ok"
    silence = Silence.of(standing, nodes)
    if now is None or own_level == "ok":
        level, parts = _judge_nodes(hour, nodes, silence, standing)
    else:
        level, parts = _judge_unstored(backlog, nodes, silence, own_level, now)
        stuck = [each for each in standing.find(["nothing_delivered"]) if not each.handled]
        problems = [*(describe_alert(each) for each in stuck), *problems]
    over = [*silence.over, *(standing.find(SERVER) if own_level == "ok" else ())]
    handled = [*(_end(finding) for finding in over), *handled]
    if standing.evaluated_at and now and standing.is_old(now):
        level = worst_level({level, "warning"})
        parts += [" · the judgement of alerts is ", Age(standing.evaluated_at), " old"]
    if not problems and not handled:
        done = [", data complete"] if complete and level == "ok" else []
        return Sentence(level, _merge_texts([*parts, *done]))
    level = worst_level({level, *(each.level for each in (*problems, *handled))})
    return Sentence(level, _merge_texts([*parts, *_name_problems(problems, handled)]))


def _name_problems(problems: Sequence[Problem], handled: Sequence[Handled]) -> list[Part]:
    """Name what needs somebody, then what does not, a few of each."""
    parts: list[Part] = []
    if problems:
        count = "1 thing needs" if len(problems) == 1 else f"{len(problems)} things need"
        named = _cut_list([_problem_parts(problem) for problem in problems])
        parts += [f" · {count} attention: ", *_join(named, " · ")]
    if handled:
        named = [[*_problem_parts(each.problem), f" ({each.why})"] for each in handled]
        parts += [" · also open: ", *_join(_cut_list(named), " · ")]
    return parts


def _cut_list(named: list[list[Part]]) -> list[list[Part]]:
    more = len(named) - MAX_NAMED_PROBLEMS
    rest: list[list[Part]] = [[f"{more} more"]] if more > 0 else []
    return named[:MAX_NAMED_PROBLEMS] + rest


def _end(finding: Finding) -> Handled:
    """Return an alert of what is over, which the next round will see."""
    problem = OpenAlert(finding.alert.rule, finding.text)
    level = finding.level if finding.handled else "warning"
    return Handled(problem, finding.handled or "recovering", level)


@dataclass(frozen=True)
class Silence:
    """Alerts of silent nodes. `why`: node → why its silence needs nobody; `is_alarm`: one of the
    others is critical; `over`: of nodes that are not silent any more, or not watched."""

    why: Mapping[str, str]
    is_alarm: bool
    over: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, standing: Standing, nodes: Reporting) -> "Silence":
        silent = {name for name, _ in nodes.silent}
        findings = standing.find(["node_silent"])
        current = [each for each in findings if each.alert.node in silent]
        over = tuple(each for each in findings if each.alert.node not in silent)
        why = {each.alert.node: each.handled for each in current if each.handled}
        return cls(why, any(each.is_alarm for each in current), over)

    def judge(self, nodes: Reporting) -> str:
        """Return the level of the nodes: where somebody looks after each, at most a warning."""
        if nodes.silent and all(name in self.why for name, _ in nodes.silent):
            return "warning"
        return "critical" if self.is_alarm else judge_reporting(nodes)


def _judge_unstored(
    backlog: Backlog, nodes: Reporting, silence: Silence, level: str, now: datetime
) -> tuple[str, list[Part]]:
    level = "critical" if silence.is_alarm else level
    silent = [" · ", *_silent(nodes, silence)] if nodes.reporting < nodes.known else []
    if not backlog.is_known:
        return level, ["Redis does not answer this server: nothing is accepted", *silent]
    waiting = f"{describe_unstored(backlog)} to be stored"
    if not is_worker_silent(backlog, now):
        return level, [f"{waiting}, the oldest for ", Age(backlog.oldest_at or now), *silent]
    if backlog.worker_at is None:
        return level, [f"{waiting}: no worker has run yet", *silent]
    return level, [f"{waiting}: the worker has not run for ", Age(backlog.worker_at), *silent]


def _judge_nodes(
    hour: HourTotals, nodes: Reporting, silence: Silence, standing: Standing
) -> tuple[str, list[Part]]:
    known, reporting = nodes.known, nodes.reporting
    mail_level, mail = _judge_mail(hour, standing)
    if known == 0:
        counted = "" if mail == QUIET else "; mail is counted nevertheless"
        return "none", [f"No node has reported yet{counted}"]
    if nodes.newest_sample_at is None:
        return "warning", [f"{_nodes(known, 'is', 'are')} known but never sent a sample"]
    if reporting == known:
        everyone = "" if known == 1 else "All "
        return mail_level, [f"{everyone}{_nodes(known, 'reports', 'report')}, {mail}"]
    return worst_level({silence.judge(nodes), mail_level}), [
        *_silent(nodes, silence),
        *([f" · {mail}"] if reporting else []),
    ]


def _silent(nodes: Reporting, silence: Silence) -> list[Part]:
    """Name the silent nodes, the longest silent first."""
    known, reporting = nodes.known, nodes.reporting
    named: list[list[Part]] = []
    for name, seen_at in nodes.silent[:MAX_NAMED_PROBLEMS]:
        since: list[Part] = [" for ", Age(seen_at)] if seen_at else [" (never seen)"]
        why = [f" ({silence.why[name]})"] if name in silence.why else []
        named.append([isolate(name), *since, *why])
    unnamed = known - reporting - len(named)
    if unnamed > 0:
        named.append([f"{unnamed} more"])
    who = (
        "The only node is silent" if known == 1 else f"{known - reporting} of {known} nodes silent"
    )
    return [f"{who}: ", *_join(named, ", ")]


def _judge_mail(hour: HourTotals, standing: Standing) -> tuple[str, str]:
    """Judge the mail of the hour, and the alert that nothing is delivered, of a shorter time."""
    outbound = hour.outbound
    if not any([*hour.inbound.values(), *outbound.values()]):
        return "ok", QUIET
    alert = next(iter(standing.find(["nothing_delivered"])), None)
    why = f" ({alert.handled})" if alert and alert.handled else ""
    if not outbound["delivered"]:
        attempts = sum(outbound[outcome] for outcome in OUTCOMES["outbound"])
        if attempts:
            level = alert.level if alert else _judge_stuck(attempts, standing)
            return level, f"nothing delivered in the last 60 minutes{why}"
    if alert:
        text = alert.text
        return alert.level, f"{text[:1].lower()}{text[1:]}{why}"
    return "ok", "mail flows"


def _judge_stuck(attempts: int, standing: Standing) -> str:
    """Return the level of attempts of which none succeeded: of too few no alert is made."""
    rule = standing.rules.get("nothing_delivered")
    min_count = rule.values["min_count"] if rule else 0
    return "critical" if attempts >= min_count else "warning"


def _problem_parts(problem: Problem) -> list[Part]:
    if isinstance(problem, NodeProblem | OpenAlert):
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
