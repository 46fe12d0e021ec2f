"""Timeline of a story: events → messages with recipients, steps, branches and endings. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from server.trace.endings import Capture, Ending, Level, find_ending

Event = Mapping[str, Any]

#: Recipients of one message that are shown; those that did not arrive come first.
MAX_RECIPIENTS = 50
#: Messages of one story that are shown, and how deep branches go: a loop of forwards has no end.
MAX_MESSAGES, MAX_DEPTH = 60, 8
#: The program that an event's direction is of; Haraka may send as well.
PROGRAMS = {"inbound": "Haraka", "outbound": "ZoneMTA", "mailbox": "WildDuck"}
#: The cause of what a server of ours took from another.
SAME_MESSAGE = "same Message-ID"
#: Worst first.
LEVELS: tuple[Level, ...] = ("critical", "warning", "none", "ok")


@dataclass(frozen=True)
class Step:
    """One event. `to_next_s`: until the next step of this recipient; None: it is the last."""

    event: Event
    program: str
    to_next_s: float | None
    branches: tuple["Message", ...] = ()


@dataclass(frozen=True)
class Recipient:
    """What happened to a message for one recipient. `address`: empty where events name none."""

    address: str
    account: str
    steps: tuple[Step, ...]
    ending: Ending


@dataclass(frozen=True)
class Message:
    """One message in one program's hands: a transaction of Haraka, or a message of a queue.

    `cause`: how it came of the message above it: its origin, "same Message-ID", or empty at the
    beginning. `endings`: how many recipients ended how, and `is_over`: of those not shown too.
    `branches`: what it caused that no step of it names.
    """

    queue_id: str
    program: str
    cause: str
    sender: str
    account: str
    message_id: str
    first_at: datetime
    recipients: tuple[Recipient, ...]
    recipients_count: int
    endings: Mapping[str, int]
    is_over: bool
    branches: tuple["Message", ...] = ()
    branches_cut: int = 0


@dataclass(frozen=True)
class Trace:
    """A story. `limits`: what was left out, in words."""

    messages: tuple[Message, ...]
    limits: tuple[str, ...]
    level: Level
    text: str
    is_over: bool
    first_at: datetime
    last_at: datetime
    nodes: tuple[str, ...]


@dataclass
class _Draft:
    """A message while its links are found."""

    key: str
    events: list[Event] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    has_cause: bool = False


def build_trace(
    events: Iterable[Event], *, capture: Capture, now: datetime, limits: Sequence[str] = ()
) -> Trace | None:
    """Return the story of events in any order; None where there is none."""
    rows = sorted(events, key=lambda each: (each["occurred_at"], str(each["event_id"])))
    if not rows:
        return None
    drafts = _link(_group(rows))
    writer = _Writer(drafts, capture, now)
    messages = tuple(writer.write(key, "", 0) for key in writer.find_roots())
    left_out = len(drafts) - len(writer.shown)
    bounds = list(limits)
    if left_out:
        bounds.append(f"{left_out} more messages belong to it and are not shown")
    endings = _list_endings(messages)
    is_whole = all(each.recipients_count == len(each.recipients) for each in messages)
    return Trace(
        messages=messages,
        limits=tuple(bounds),
        level=min((each.level for each in endings), key=LEVELS.index),
        text=_summarize(messages, endings, is_whole=is_whole),
        is_over=all(each.is_over for each in (endings if is_whole else messages)),
        first_at=rows[0]["occurred_at"],
        last_at=rows[-1]["occurred_at"],
        nodes=tuple(dict.fromkeys(each["mta_node"] for each in rows)),
    )


def _group(rows: Sequence[Event]) -> dict[str, _Draft]:
    """Return the events by message. Those without a queue id stand for themselves."""
    drafts: dict[str, _Draft] = {}
    for row in rows:
        key = row["queue_id"] or f"event {row['event_id']}"
        drafts.setdefault(key, _Draft(key)).events.append(row)
    return drafts


def _link(drafts: dict[str, _Draft]) -> dict[str, _Draft]:
    """Find what caused what: each message has one cause, the first that names it or that it names.

    A cause is never its own effect: what would close a circle is left where it is.
    """
    stored: dict[str, str] = {
        row["wildduck_id"]: key
        for key, draft in drafts.items()
        for row in draft.events
        if row["wildduck_id"] and row["direction"] == "mailbox"
    }
    for key, draft in drafts.items():
        for row in draft.events:
            if row["parent_id"]:
                parent: str = row["parent_id"]
                _connect(drafts, stored.get(parent, parent), key)
            if row["caused_queue_id"]:
                _connect(drafts, key, row["caused_queue_id"])
    _link_our_servers(drafts)
    return drafts


def _link_our_servers(drafts: Mapping[str, _Draft]) -> None:
    """Link what a queue of ours sent to what came in here, by Message-ID and recipient."""
    queued: dict[tuple[str, str], tuple[datetime, str]] = {}
    for key, draft in drafts.items():
        for row in draft.events:
            if row["direction"] == "outbound" and row["message_id"]:
                queued.setdefault(_names_copy(row), (row["occurred_at"], key))
    for key, draft in drafts.items():
        if draft.events[0]["direction"] != "inbound":
            continue
        for row in draft.events:
            at, sender = queued.get(_names_copy(row), (row["occurred_at"], ""))
            if sender and at <= draft.events[-1]["occurred_at"]:
                _connect(drafts, sender, key)


def _names_copy(event: Event) -> tuple[str, str]:
    return event["message_id"] or "", (event["to_address"] or "").lower()


def _connect(drafts: Mapping[str, _Draft], cause: str, effect: str) -> None:
    if cause not in drafts or effect not in drafts or drafts[effect].has_cause:
        return
    if cause == effect or _leads_to(drafts, effect, cause):
        return
    drafts[effect].has_cause = True
    drafts[cause].children.append(effect)


def _leads_to(drafts: Mapping[str, _Draft], start: str, goal: str) -> bool:
    open_keys = [start]
    while open_keys:
        key = open_keys.pop()
        if key == goal:
            return True
        open_keys += drafts[key].children
    return False


class _Writer:
    """Writes messages from drafts, each once, within MAX_MESSAGES and MAX_DEPTH."""

    def __init__(self, drafts: Mapping[str, _Draft], capture: Capture, now: datetime) -> None:
        self._drafts, self._capture, self._now = drafts, capture, now
        self.shown: set[str] = set()

    def find_roots(self) -> list[str]:
        roots = [key for key, draft in self._drafts.items() if not draft.has_cause]
        return roots[:MAX_MESSAGES]

    def write(self, key: str, cause: str, depth: int) -> Message:
        self.shown.add(key)
        draft = self._drafts[key]
        first = draft.events[0]
        by_recipient = _by_recipient(draft.events)
        recipients = [self._write_recipient(rows) for rows in by_recipient]
        endings: Counter[str] = Counter(each.ending.state for each in recipients)
        recipients.sort(key=lambda each: LEVELS.index(each.ending.level))
        branches, cut = self._write_branches(draft, depth)
        shown, loose = _attach(recipients[:MAX_RECIPIENTS], branches)
        return Message(
            queue_id=first["queue_id"] or "",
            program=_program(first),
            cause=cause,
            sender=_first_of(draft.events, "from_address"),
            account=_first_of(draft.events, "account_name") or _first_of(draft.events, "account"),
            message_id=_first_of(draft.events, "message_id"),
            first_at=first["occurred_at"],
            recipients=tuple(shown),
            recipients_count=len(recipients),
            endings=dict(endings),
            is_over=all(each.ending.is_over for each in recipients),
            branches=tuple(loose),
            branches_cut=cut,
        )

    def _write_branches(self, draft: _Draft, depth: int) -> tuple[list[Message], int]:
        branches, cut = [], 0
        for key in draft.children:
            if depth + 1 >= MAX_DEPTH or len(self.shown) >= MAX_MESSAGES:
                cut += 1
                continue
            origin = _first_of(self._drafts[key].events, "origin")
            branches.append(self.write(key, origin or SAME_MESSAGE, depth + 1))
        return branches, cut

    def _write_recipient(self, rows: Sequence[Event]) -> Recipient:
        gaps: list[float | None] = [
            (after["occurred_at"] - row["occurred_at"]).total_seconds()
            for row, after in pairwise(rows)
        ]
        steps = [
            Step(row, _program(row), gap) for row, gap in zip(rows, [*gaps, None], strict=True)
        ]
        return Recipient(
            address=_first_of(rows, "to_address"),
            account=_first_of(rows, "account_name") or _first_of(rows, "account"),
            steps=tuple(steps),
            ending=find_ending(rows, self._capture, self._now),
        )


def _by_recipient(events: Sequence[Event]) -> list[list[Event]]:
    """Return the events of each recipient.

    WildDuck may name a mailbox by another of its addresses: its events belong to the recipient of
    the same account, or to the only one. Events of no recipient are of all, once: of the first.
    """
    rows: dict[str, list[Event]] = defaultdict(list)
    accounts: dict[str, str] = {}
    for event in events:
        if event["direction"] != "mailbox" and (address := (event["to_address"] or "").lower()):
            rows[address].append(event)
            if event["account"]:
                accounts.setdefault(event["account"], address)
    for event in events:
        address = (event["to_address"] or "").lower()
        if event["direction"] != "mailbox" and address:
            continue
        if address not in rows:
            is_clear = len(rows) == 1 or (not address and rows)
            only = next(iter(rows)) if is_clear else address
            address = accounts.get(event["account"], only)
        rows[address].append(event)
    order = {id(event): n for n, event in enumerate(events)}
    return [sorted(each, key=lambda event: order[id(event)]) for each in rows.values()]


def _attach(
    recipients: Sequence[Recipient], branches: Sequence[Message]
) -> tuple[list[Recipient], list[Message]]:
    """Return the recipients with each branch at the step that caused it, and the other branches."""
    places: dict[str, tuple[int, int]] = {}
    for n, recipient in enumerate(recipients):
        places[recipient.address.lower()] = n, len(recipient.steps) - 1
        for k, step in enumerate(recipient.steps):
            for name in (step.event["caused_queue_id"], step.event["wildduck_id"]):
                if name:
                    places[name] = n, k
    attached: dict[tuple[int, int], list[Message]] = defaultdict(list)
    loose = []
    for branch in branches:
        place = next((places[name] for name in _names(branch) if name in places), None)
        if place is None:
            loose.append(branch)
        else:
            attached[place].append(branch)
    return [
        replace(
            recipient,
            steps=tuple(
                replace(step, branches=tuple(attached.get((n, k), ())))
                for k, step in enumerate(recipient.steps)
            ),
        )
        for n, recipient in enumerate(recipients)
    ], loose


def _names(branch: Message) -> Iterator[str]:
    """Yield by what a step may be known that caused a message, the surest first."""
    yield branch.queue_id
    for recipient in branch.recipients:
        for step in recipient.steps:
            yield step.event["parent_id"] or ""
    if branch.cause == SAME_MESSAGE:
        for recipient in branch.recipients:
            yield recipient.address.lower()


def _list_endings(messages: Sequence[Message]) -> list[Ending]:
    """Return the last ending of each recipient that is shown.

    A client that was refused for now comes again with another transaction; what is delivered to a
    server of ours goes on there.
    """
    last: dict[str, Ending] = {}
    for message in messages:
        for recipient in message.recipients:
            last[recipient.address.lower()] = _follow(recipient)
    return list(last.values())


def _follow(recipient: Recipient) -> Ending:
    for branch in recipient.steps[-1].branches:
        if branch.cause == SAME_MESSAGE:
            for each in branch.recipients:
                if each.address.lower() == recipient.address.lower():
                    return _follow(each)
    return recipient.ending


def _summarize(messages: Sequence[Message], endings: Sequence[Ending], *, is_whole: bool) -> str:
    """Return the sentence a person can read aloud."""
    if is_whole and len(endings) == 1:
        return endings[0].text
    states: Counter[str] = Counter(each.state for each in endings) if is_whole else Counter()
    for message in () if is_whole else messages:
        states.update(message.endings)
    count = states.total()
    parts = [f"{n:,} {state.replace('_', ' ')}" for state, n in states.most_common()]
    return f"{count:,} recipients: {', '.join(parts)}"


def _program(event: Event) -> str:
    if event["source"] == "haraka_plugin":
        return "Haraka"
    return PROGRAMS[event["direction"]]


def _first_of(events: Iterable[Event], column: str) -> str:
    return next((str(each[column]) for each in events if each[column]), "")


def walk(
    messages: Iterable[Message], depth: int = 0, cause_id: str = ""
) -> Iterator[tuple[int, str, Message]]:
    """Yield every message of a story with its depth and the id of the event that caused it; empty
    where none is known. Each comes after its cause."""
    for message in messages:
        yield depth, cause_id, message
        for recipient in message.recipients:
            for step in recipient.steps:
                yield from walk(step.branches, depth + 1, str(step.event["event_id"]))
        yield from walk(message.branches, depth + 1)
