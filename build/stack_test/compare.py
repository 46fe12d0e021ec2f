"""Pure: captured events against what there must be, one by one."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

FINAL = frozenset({"delivered", "bounced", "rejected", "dropped"})
Key = tuple[str, str, str, int]
EXAMPLES = 5  # of each kind


@dataclass(frozen=True)
class Event:
    """What is compared of an event. None on the truth's side: it does not say."""

    message_id: str
    recipient: str
    event_type: str
    n: int
    queue_id: str | None = None
    sender: str | None = None
    attempt: int | None = None
    reply: str | None = None
    sending_ip: str | None = None
    zone: str | None = None
    size_bytes: int | None = None
    certainty: str = "reported"

    @property
    def key(self) -> Key:
        """The same event from whoever tells it."""
        return (self.message_id, self.recipient.lower(), self.event_type, self.n)

    @property
    def of(self) -> tuple[str, str]:
        """Which recipient of which message."""
        return (self.message_id, self.recipient.lower())


FIELDS = ("queue_id", "sender", "attempt", "reply", "sending_ip", "zone", "size_bytes")
#: What the database does not tell of any event, and of a final outcome.
NOT_OF_STREAM = frozenset({"sending_ip"})
NOT_OF_INFERRED = frozenset({"sending_ip", "reply", "size_bytes"})


@dataclass
class Verdict:
    """What the comparison found. All of it 0 but `expected`, `inferred` and `inferred_wrong` when
    everything is right. `unexpected`: captured, and nothing of the kind happened."""

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
        """Whether every event is there, once and right, and what is inferred says so."""
        return not (self.missing or self.twice or self.wrong or self.unexpected)

    def as_json(self, **more: object) -> str:
        """Return the one line for programs."""
        names = (
            *("mode", "messages", "expected", "missing", "twice", "wrong"),
            *("unexpected", "inferred", "inferred_wrong"),
        )
        return json.dumps({name: getattr(self, name) for name in names} | more)

    def note(self, kind: str, text: str) -> None:
        """Keep an example for a person."""
        examples = self.examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(text)


def compare(
    mode: str,
    *,
    messages: int,
    expected: Mapping[Key, Event],
    captured: Iterable[Event],
    ignored: frozenset[tuple[str, str]] = frozenset(),
    stream_knows: bool = False,
) -> Verdict:
    """Hold `captured` against `expected`. Recipients in `ignored` are nobody's to judge.

    An inferred outcome that is another than what happened is `inferred_wrong`; a reported one is
    `wrong`. Fields that the database does not tell are not asked of what came from it
    (`stream_knows`: nothing but it was asked).
    """
    verdict = Verdict(mode, messages, expected=len(expected))
    rows: dict[Key, list[Event]] = {}
    for event in captured:
        if event.of not in ignored:
            rows.setdefault(event.key, []).append(event)
    finals: dict[tuple[str, str], list[Event]] = {}  # that nobody expected
    for key, found in rows.items():
        _count_row(verdict, found)
        if found[0].event_type in FINAL and key not in expected:
            finals.setdefault(found[0].of, []).append(found[0])
    explained: set[Key] = set()
    for key, wanted in expected.items():
        if key in rows:
            _judge(verdict, wanted, rows[key][0], stream_knows=stream_knows)
        elif wanted.event_type in FINAL and finals.get(wanted.of):
            other = finals[wanted.of].pop()
            explained.add(other.key)
            _count_other(verdict, wanted, other)
        else:
            verdict.missing += 1
            verdict.note("missing", str(wanted))
    for key in rows.keys() - expected.keys() - explained:
        verdict.unexpected += 1
        verdict.note("unexpected", str(rows[key][0]))
    return verdict


def _count_row(verdict: Verdict, found: list[Event]) -> None:
    verdict.inferred += sum(event.certainty == "inferred" for event in found)
    verdict.twice += len(found) - 1
    if len(found) > 1:
        verdict.note("twice", str(found[0]))


def _count_other(verdict: Verdict, wanted: Event, other: Event) -> None:
    """Count an outcome that was captured as another."""
    kind = f"{wanted.event_type} as {other.event_type}"
    if other.certainty == "inferred":
        verdict.inferred_wrong += 1
        verdict.inferred_as[kind] += 1
        verdict.note("inferred otherwise", f"{kind}: {wanted}")
    else:
        verdict.wrong += 1
        verdict.note("wrong", f"{kind}: {other}")


def _judge(verdict: Verdict, wanted: Event, got: Event, *, stream_knows: bool) -> None:
    left_out: frozenset[str] = frozenset()
    if got.certainty == "inferred":
        left_out = NOT_OF_INFERRED
    elif stream_knows:
        left_out = NOT_OF_STREAM
    differing = [
        name
        for name in FIELDS
        if name not in left_out
        and getattr(wanted, name) is not None
        and getattr(wanted, name) != getattr(got, name)
    ]
    if differing:
        verdict.wrong += 1
        verdict.wrong_fields.update(differing)
        pairs = ", ".join(
            f"{name} {getattr(got, name)!r} for {getattr(wanted, name)!r}" for name in differing
        )
        verdict.note("wrong", f"{pairs}: {got.key}")
