"""Problems of the present in words: blocks, failing destinations, missing events, old mail, alerts.

Which ones there are the conditions say, and the alerts (`standing`). What one node has is a warning
until its alert fires: the others go on.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.conf import settings

from server.alerts import queries
from server.alerts.backlog import is_behind
from server.alerts.blocks.listing import open_blocks
from server.alerts.blocks.models import Block
from server.alerts.blocks.wording import describe, describe_cause, one_line
from server.alerts.conditions.completeness import NO_NODE
from server.alerts.evaluator.causes import SERVER
from server.alerts.models import State
from server.alerts.node_problems import PROGRAM_NAMES, name_nodes
from server.alerts.present.standing import (
    NONE_STANDS,
    Finding,
    Standing,
    build_glance,
    step_standing,
)
from server.alerts.queues import judge_age
from server.alerts.snapshot import Snapshot
from server.formats import isolate
from server.ledger import queries as ledger
from server.ledger.queries import Completeness
from server.mailqueues import queries as mailqueues
from server.mailqueues.accounting import Database, count_once
from server.metrics.newest import newest_states
from server.observability.backlog import NOTHING_WAITS, Backlog, read_backlog
from server.rollups.levels import ONE_MINUTE
from server.rollups.mail import failing_destinations
from server.rollups.mail.failing_destinations import Destination
from server.rollups.mail.level_query import LevelQuery
from server.rollups.mail.queries import counts
from server.rollups.plan import floor

#: Completeness is judged over this time.
LEDGER_HOURS = 24
#: Bounds of what is reported: problems, and characters of a remote server's reply.
MAX_PROBLEMS, MAX_REPLY_CHARS = 20, 100
#: Characters of the reply of a block, which is followed by whose mail it is, and of an alert.
MAX_CAUSE_CHARS, MAX_ALERT_CHARS = 60, 160
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
#: Conditions that the sentence begins with, in its own words.
OF_THE_BEGINNING = frozenset({*SERVER, "node_silent", "nothing_delivered"})


@dataclass(frozen=True)
class NodeProblem:
    """A problem of one node, or the same one of several. `kind`: program, ports or disk; `text`:
    the problem in words."""

    kind: str
    nodes: tuple[str, ...]
    text: str
    level: str = "warning"

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "nodes": self.nodes, "text": self.text}


@dataclass(frozen=True)
class FailingDestination:
    """A destination that refuses most of its mail. `verb`: bounces or defers."""

    domain: str
    verb: str
    since: datetime
    words: str
    level: str = "warning"

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": "destination",
            "domain": self.domain,
            "verb": self.verb,
            "since": self.since.isoformat(),
            "words": self.words,
        }


@dataclass(frozen=True)
class BlockedMail:
    """Mail that a provider refuses: whose in `text`, the reply and its senders in `cause`."""

    id: int
    provider: str
    text: str
    since: datetime
    cause: str
    level: str = "warning"

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": "block",
            "id": self.id,
            "provider": self.provider,
            "text": self.text,
            "since": self.since.isoformat(),
            "cause": self.cause,
        }


@dataclass(frozen=True)
class MissingEvents:
    """Numbered events of a node that never arrived, without explanation."""

    node: str
    count: int
    level: str = "warning"

    def as_json(self) -> dict[str, Any]:
        return {"kind": "missing", "node": self.node, "count": self.count}


@dataclass(frozen=True)
class OldMail:
    """Mail in the queues waits for too long: the oldest `since`, which is `waits_s` seconds."""

    since: datetime
    waits_s: float

    @property
    def level(self) -> str:
        return judge_age(timedelta(seconds=self.waits_s))

    def as_json(self) -> dict[str, Any]:
        return {"kind": "queue", "oldest_s": self.waits_s}


@dataclass(frozen=True)
class StrandedMail:
    """Waiting mail that no living ZoneMTA sends, and the instances it is assigned to."""

    count: int
    instances: tuple[str, ...]
    level: str = "critical"

    def as_json(self) -> dict[str, Any]:
        return {"kind": "stranded", "count": self.count, "instances": self.instances}


@dataclass(frozen=True)
class WrongClock:
    """The clock of a node is ahead of the server's, or behind where `ahead_s` is negative."""

    node: str
    ahead_s: float
    level: str = "warning"

    def as_json(self) -> dict[str, Any]:
        return {"kind": "clock", "node": self.node, "ahead_s": self.ahead_s}


@dataclass(frozen=True)
class OpenAlert:
    """An alert in its own words."""

    rule: str
    text: str
    level: str = "warning"

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.rule, "text": self.text}


Problem = (
    NodeProblem
    | BlockedMail
    | FailingDestination
    | MissingEvents
    | OldMail
    | OpenAlert
    | StrandedMail
    | WrongClock
)


@dataclass(frozen=True)
class Handled:
    """A problem that needs nobody now, and why. `level`: ok where it is expected."""

    problem: Problem
    why: str
    level: str = "warning"


@dataclass(frozen=True)
class Facts:
    """The facts of one moment that need more than a glance at the database.

    `sent_yesterday`: mail sent in the same time a day ago; None when there was none.
    """

    problems: list[Problem]
    destinations: list[Destination]
    epochs: list[Completeness]
    queues: list[Database]
    sent_yesterday: int | None = None
    backlog: Backlog = NOTHING_WAITS
    is_behind: bool = False
    blocks: Sequence[Block] = ()
    handled: Sequence[Handled] = ()
    standing: Standing = NONE_STANDS

    @property
    def complete(self) -> bool | None:
        """Whether no numbered event is missing or refused; None while that is not known.

        What waits to be stored may have the numbers that are missing, and larger ones.
        """
        if self.is_behind or not self.epochs:
            return None
        return all(epoch.complete for epoch in self.epochs)


def read_facts(now: datetime) -> Facts:
    """Query the database, nine times at most, and look what waits to be stored before that."""
    backlog = read_backlog()
    stored = queries.standing(now)
    glance = build_glance(
        now,
        alerts=stored.alerts,
        states=newest_states(
            now, seen_after=now - timedelta(seconds=settings.NODE_OFFLINE_AFTER_S)
        ),
        backlog=backlog,
        destinations=failing_destinations.destinations(now),
        epochs=ledger.completeness(now - timedelta(hours=LEDGER_HOURS)),
        queues=count_once(mailqueues.newest_readings(now), now),
        blocks=open_blocks(),
    )
    standing = step_standing(stored, glance)
    return Facts(
        find_problems(standing, glance),
        list(glance.destinations),
        list(glance.epochs),
        list(glance.queues),
        _sent_yesterday(now),
        backlog,
        is_behind=is_behind(backlog, now),
        blocks=glance.blocks,
        handled=find_handled(standing, glance),
        standing=standing,
    )


def find_problems(standing: Standing, snapshot: Snapshot | None = None) -> list[Problem]:
    """Return what needs somebody, causes before what they lead to where `_in_order` lets them.

    `snapshot`: what `standing` was stepped over; without one alerts are in their own words.
    """
    findings = [each for each in _after_the_beginning(standing) if not each.handled]
    return _in_order(_describe(findings, snapshot))[:MAX_PROBLEMS]


def find_handled(standing: Standing, snapshot: Snapshot | None = None) -> list[Handled]:
    """Return what needs nobody now, and why."""
    of = attrgetter("handled", "level")
    findings = sorted((each for each in _after_the_beginning(standing) if each.handled), key=of)
    handled = [
        Handled(problem, why, level)
        for (why, level), same in groupby(findings, key=of)
        for problem in _describe(list(same), snapshot)
    ]
    return handled[:MAX_PROBLEMS]


def _after_the_beginning(standing: Standing) -> list[Finding]:
    return [each for each in standing.findings if each.condition not in OF_THE_BEGINNING]


def _describe(findings: Sequence[Finding], snapshot: Snapshot | None) -> list[Problem]:
    """Return the problems in the order of DESCRIBE, then what has no words but its alert's own."""
    by_condition: dict[str, list[Finding]] = defaultdict(list)
    in_own_words: list[Finding] = []
    for finding in findings:
        is_read = snapshot is not None and finding.alert.state != State.NO_DATA
        if is_read and finding.condition in DESCRIBE:
            by_condition[finding.condition].append(finding)
        else:
            in_own_words.append(finding)
    problems: list[Problem] = []
    for condition, describe_them in DESCRIBE.items():
        if snapshot is not None and condition in by_condition:
            problems += describe_them(by_condition[condition], snapshot)
    return problems + [describe_alert(finding) for finding in in_own_words]


def describe_alert(finding: Finding) -> OpenAlert:
    """Return an alert in its own words, cut."""
    alert = finding.alert
    cut = alert.text if len(alert.text) <= MAX_ALERT_CHARS else f"{alert.text[:MAX_ALERT_CHARS]}…"
    unknown = " (no data now)" if alert.state == State.NO_DATA else ""
    return OpenAlert(alert.rule, one_line(cut) + unknown, _level([finding]))


def _level(findings: Iterable[Finding]) -> str:
    """Return the level of what one node has, or one destination: critical once an alert is."""
    return "critical" if any(finding.is_alarm for finding in findings) else "warning"


def _describe_programs(findings: Sequence[Finding], _: Snapshot) -> Iterator[Problem]:
    """Yield one problem for all programs that stopped on the same nodes."""
    for nodes, programs, same in _by_nodes(findings, lambda p: PROGRAM_NAMES.get(p, p)):
        text = f"{' and '.join(sorted(programs))} stopped on {name_nodes(nodes)}"
        yield NodeProblem("program", nodes, text, _level(same))


def _describe_ports(findings: Sequence[Finding], _: Snapshot) -> Iterator[Problem]:
    """Yield one problem for all ports that are closed on the same nodes."""
    for nodes, numbers, same in _by_nodes(findings, str):
        word = "port" if len(numbers) == 1 else "ports"
        named = ", ".join(sorted(numbers, key=lambda number: (len(number), number)))
        text = f"{word} {named} closed on {name_nodes(nodes)}"
        yield NodeProblem("ports", nodes, text, _level(same))


def _by_nodes(
    findings: Sequence[Finding], name: Callable[[str], str]
) -> list[tuple[tuple[str, ...], list[str], list[Finding]]]:
    """Return what is so on the same nodes together: nodes, the names of what, and the findings.

    Subjects are "node/what".
    """
    of_what: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        of_what[name(finding.alert.subject.rpartition("/")[2])].append(finding)
    groups: dict[tuple[str, ...], tuple[list[str], list[Finding]]] = {}
    for what, same in of_what.items():
        names, members = groups.setdefault(tuple(f.alert.node for f in same), ([], []))
        names.append(what)
        members += same
    return [(nodes, names, members) for nodes, (names, members) in groups.items()]


def _describe_disks(findings: Sequence[Finding], snapshot: Snapshot) -> Iterator[Problem]:
    """Yield the fullest file system of each node."""
    listed = {state.name for state in snapshot.states if state.file_systems}
    fullest: dict[str, Finding] = {}
    for each in sorted(findings, key=lambda each: each.alert.value or 0.0):
        fullest.setdefault(each.alert.node, each)
    for node, finding in fullest.items():
        mount_point = isolate(finding.alert.subject.removeprefix(f"{node}:"))
        what = mount_point if node in listed else "the disk"
        percent = 100 - (finding.alert.value or 0.0)
        text = f"{what} of {isolate(node)} is {percent:.0f} % full"
        yield NodeProblem("disk", (node,), text, _level([finding]))


def _describe_blocks(findings: Sequence[Finding], snapshot: Snapshot) -> Iterator[Problem]:
    blocks = {block.name: block for block in snapshot.blocks}
    for finding in findings:
        block = blocks.get(finding.alert.subject)
        if block is None:
            yield describe_alert(finding)
            continue
        cause = describe_cause(block, MAX_CAUSE_CHARS)
        level = _level([finding])
        text = describe(block)
        yield BlockedMail(block.pk, block.provider, text, block.started_at, cause, level)


def _describe_destinations(findings: Sequence[Finding], snapshot: Snapshot) -> Iterator[Problem]:
    destinations = {each.domain: each for each in snapshot.destinations}
    for finding in findings:
        each = destinations.get(finding.alert.subject)
        if each is None or each.since is None:
            yield describe_alert(finding)
            continue
        verb = "bounces" if each.bounced > each.deferred else "defers"
        words = each.words[:MAX_REPLY_CHARS]
        yield FailingDestination(each.domain, verb, each.since, words, _level([finding]))


def _describe_missing(findings: Sequence[Finding], _: Snapshot) -> Iterator[Problem]:
    for each in sorted(findings, key=lambda each: -(each.alert.value or 0)):
        node = "" if each.alert.subject == NO_NODE else each.alert.subject
        yield MissingEvents(node, round(each.alert.value or 0), _level([each]))


def _describe_stranded(findings: Sequence[Finding], _: Snapshot) -> Iterator[Problem]:
    """Yield one problem for what is stranded in all queues."""
    instances = {name for each in findings for name in each.alert.evidence.get("instances", ())}
    if not instances:
        yield from (describe_alert(each) for each in findings)
        return
    count = sum(round(each.alert.value or 0) for each in findings)
    yield StrandedMail(count, tuple(sorted(instances)))


def _describe_old_mail(findings: Sequence[Finding], snapshot: Snapshot) -> Iterator[Problem]:
    """Yield the oldest mail of all queues."""
    waits_s = max(each.alert.value or 0.0 for each in findings)
    yield OldMail(snapshot.now - timedelta(seconds=waits_s), waits_s)


def _describe_clocks(findings: Sequence[Finding], _: Snapshot) -> Iterator[Problem]:
    """Yield the wrong clocks, the worst first."""
    for each in sorted(findings, key=lambda each: -(each.alert.value or 0.0)):
        ahead_ms = each.alert.evidence.get("ahead_ms")
        if ahead_ms is None:
            yield describe_alert(each)
        else:
            yield WrongClock(each.alert.node, ahead_ms / 1_000, _level([each]))


#: Condition → the function that describes what it finds, causes before what they lead to.
DESCRIBE: dict[str, Callable[[Sequence[Finding], Snapshot], Iterator[Problem]]] = {
    "program_stopped": _describe_programs,
    "disk_low": _describe_disks,
    "port_closed": _describe_ports,
    "provider_blocking": _describe_blocks,
    "sender_refused": _describe_blocks,
    "destination_failing": _describe_destinations,
    "events_missing": _describe_missing,
    "mail_stranded": _describe_stranded,
    "oldest_waiting": _describe_old_mail,
    "clock_off": _describe_clocks,
}


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Return critical ones first, and one of each kind before a second: a page names only some, and
    one program that is stopped everywhere must not hide that a destination refuses mail."""
    counts: Counter[str] = Counter()
    ranks: list[tuple[bool, int, int]] = []
    for problem in problems:
        kind = problem.as_json()["kind"]
        ranks.append((problem.level != "critical", counts[kind], len(ranks)))
        counts[kind] += 1
    return [problems[place] for *_, place in sorted(ranks)]


def _sent_yesterday(now: datetime) -> int | None:
    """Count 60 whole minutes and of the next one as much as of the running one is over."""
    minute = floor(now, MINUTE)
    end = minute - DAY
    query = LevelQuery(ONE_MINUTE, (end - HOUR, end, end + MINUTE), "outbound")
    shares = (1.0, (now - minute) / MINUTE)
    rows = counts(query, event_types=("sent",))
    return round(sum(row.events * shares[row.bucket] for row in rows)) or None
