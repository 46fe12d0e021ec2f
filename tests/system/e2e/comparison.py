"""Captured events of mail compared with those there must be."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_EXAMPLES = 5  # of each kind
FINAL = frozenset({"delivered", "bounced", "rejected", "dropped", "greylisted"})
Key = tuple[str, str, str, int]
#: What MongoDB does not hold of any event, and of a final outcome.
NOT_OF_STREAM = frozenset({"sending_ip"})
NOT_OF_INFERRED = frozenset({"sending_ip", "reply", "size_bytes"})


@dataclass(frozen=True)
class Event:
    """One event of one recipient; `n` tells deferrals apart. `fields` are compared: an expected
    event has those alone that are known of it."""

    message_id: str
    recipient: str
    event_type: str
    n: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)
    certainty: str = "reported"

    @property
    def key(self) -> Key:
        """The same for both sources of an event."""
        return (self.message_id, self.recipient.lower(), self.event_type, self.n)

    @property
    def target(self) -> tuple[str, str]:
        """Which recipient of which message."""
        return (self.message_id, self.recipient.lower())


@dataclass
class MailVerdict:
    """Captured events against those there must be. All of it 0 but `expected`, `inferred` and
    `inferred_wrong` when everything is right. `unexpected`: captured, and it never happened."""

    mode: str
    messages: int
    expected: int = 0
    missing: int = 0
    twice: int = 0
    wrong: int = 0
    unexpected: int = 0
    inferred: int = 0
    inferred_wrong: int = 0
    #: Attempts by outcome: what ZoneMTA counted itself, less what was captured.
    uncounted: dict[str, int] = field(default_factory=dict)
    wrong_fields: Counter[str] = field(default_factory=Counter)
    inferred_as: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether every event is there, once and right; what is inferred may be wrong."""
        return not (self.missing or self.twice or self.wrong or self.unexpected)

    def format_json(self) -> str:
        """Return the one line for programs."""
        names = (
            *("mode", "messages", "expected", "missing", "twice", "wrong"),
            *("unexpected", "inferred", "inferred_wrong"),
        )
        return json.dumps({name: getattr(self, name) for name in names})

    def count(self, name: str, example: object, *, kind: str = "") -> None:
        """Count a fault and keep an example for a person."""
        setattr(self, name, getattr(self, name) + 1)
        examples = self.examples.setdefault(kind or name, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(str(example))


def judge_mail(
    mode: str,
    *,
    messages: int,
    expected: Mapping[Key, Event],
    captured: Iterable[Event],
    ignored: frozenset[tuple[str, str]] = frozenset(),
    is_stream_only: bool = False,
) -> MailVerdict:
    """Compare `captured` with `expected`, one by one; recipients in `ignored` are left out.

    An inferred outcome that is another than what happened is `inferred_wrong`; a reported one is
    `wrong`. Fields that MongoDB does not hold are not compared where the change stream was the
    only source (`is_stream_only`).
    """
    verdict = MailVerdict(mode, messages, expected=len(expected))
    rows: dict[Key, Event] = {}
    for event in captured:
        if event.target in ignored:
            continue
        verdict.inferred += event.certainty == "inferred"
        if event.key in rows:
            verdict.count("twice", event)
        rows.setdefault(event.key, event)
    finals: dict[tuple[str, str], list[Event]] = {}  # that nobody expected
    for key in rows.keys() - expected.keys():
        if rows[key].event_type in FINAL:
            finals.setdefault(rows[key].target, []).append(rows[key])
    explained: set[Key] = set()
    for key, wanted in expected.items():
        if key in rows:
            _compare_fields(verdict, wanted, rows[key], is_stream_only=is_stream_only)
        elif wanted.event_type in FINAL and finals.get(wanted.target):
            other = finals[wanted.target].pop()
            explained.add(other.key)
            _count_other(verdict, wanted, other)
        else:
            verdict.count("missing", wanted)
    for key in rows.keys() - expected.keys() - explained:
        verdict.count("unexpected", rows[key])
    return verdict


def _count_other(verdict: MailVerdict, wanted: Event, other: Event) -> None:
    """Count an outcome that was captured as another."""
    kind = f"{wanted.event_type} as {other.event_type}"
    if other.certainty == "inferred":
        verdict.count("inferred_wrong", f"{kind}: {wanted}", kind="inferred otherwise")
        verdict.inferred_as[kind] += 1
    else:
        verdict.count("wrong", f"{kind}: {other}")


def _compare_fields(
    verdict: MailVerdict, wanted: Event, row: Event, *, is_stream_only: bool
) -> None:
    unknown: frozenset[str] = frozenset()
    if row.certainty == "inferred":
        unknown = NOT_OF_INFERRED
    elif is_stream_only:
        unknown = NOT_OF_STREAM
    differing = {
        name: f"{name} {row.fields.get(name)!r} for {value!r}"
        for name, value in wanted.fields.items()
        if name not in unknown and row.fields.get(name) != value
    }
    if differing:
        verdict.count("wrong", f"{', '.join(differing.values())}: {row.key}")
        verdict.wrong_fields.update(differing.keys())
