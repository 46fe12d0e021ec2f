"""Endings: where the chain of one recipient ends, and why. Pure.

What is not known is an ending of its own. Moments are values beside the words: only a reader's page
knows the zone to write them in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Event = Mapping[str, Any]
State = Literal[
    "delivered", "stored", "forwarded", "bounced", "rejected", "dropped", "greylisted", "waiting",
    "handed_over", "unknown",
]  # fmt: skip
Level = Literal["ok", "warning", "critical", "none"]

#: WildDuck stores a message within milliseconds; events of it arrive within seconds.
STORE_WITHIN = timedelta(seconds=60)
#: Waits of ZoneMTA between attempts by default; its configuration is not known here.
WAITS_MIN = (5, 7, 8, 25, 75, 120, *(240,) * 11)
#: An attempt may be so late: queues are read in turn, and connections take their time.
LATE = timedelta(minutes=30)
#: A client that was refused for now tries again within hours.
RETRY_WITHIN = timedelta(hours=4)
#: What WildDuck does with a message, the decisive one first: one that is stored and forwarded is
#: stored.
MAILBOX_OUTCOMES = ("stored", "refused", "duplicate", "dropped", "forwarded")
ATTEMPTED = ("delivered", "bounced", "deferred")


@dataclass(frozen=True)
class Capture:
    """Where what WildDuck stores is captured: `nodes` report it, one for each database is enough;
    `silent_nodes` run WildDuck and do not. None: not known."""

    nodes: tuple[str, ...] | None
    silent_nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ending:
    """The end of a recipient's chain. `is_over`: nothing more will come.

    `at`: when it was reached; `next_at`: when something more is expected, by the defaults of the
    programs; None: nothing, or not known.
    """

    state: State
    level: Level
    text: str
    is_over: bool
    at: datetime | None = None
    next_at: datetime | None = None


def find_ending(steps: Sequence[Event], capture: Capture, now: datetime) -> Ending:
    """Return the ending of the events of one recipient of one message, in their order."""
    by_type = {each["event_type"]: each for each in steps}
    if mailbox := [each for each in steps if each["direction"] == "mailbox"]:
        types = {each["event_type"]: each for each in mailbox}
        for name in MAILBOX_OUTCOMES:
            if name in types:
                return _end_in_mailbox(types[name])
    if "bounced" in by_type and steps[-1]["event_type"] != "delivered":
        return _end_refused(by_type["bounced"], "bounced", "Bounced")
    last = next((each for each in reversed(steps) if each["event_type"] in _ENDS), steps[-1])
    return _ENDS.get(last["event_type"], _end_open)(last, capture, now)


def _end_in_mailbox(event: Event) -> Ending:
    at, kind = event["occurred_at"], event["event_type"]
    mailbox, note = event["mailbox"], _certainty(event)
    if kind == "stored":
        is_junk = "spam" in (event["filter_outcome"] or "").replace(",", " ").split()
        where = f" in {mailbox}" if mailbox else ", in which mailbox is not known"
        text = f"Stored{where}{' as spam' if is_junk else ''}{note}"
        return Ending("stored", "warning" if is_junk else "ok", text, is_over=True, at=at)
    if kind == "duplicate":
        text = f"Dropped as a duplicate: the mailbox had it already{note}"
        return Ending("dropped", "ok", text, is_over=True, at=at)
    if kind == "refused":
        return _end_refused(event, "rejected", "Refused by WildDuck")
    if kind == "dropped":
        text = f"Dropped by a filter of the mailbox{_because(event)}{note}"
        return Ending("dropped", "warning", text, is_over=True, at=at)
    text = f"Forwarded; no copy is stored as far as is known{note}"
    return Ending("forwarded", "ok", text, is_over=True, at=at)


def _end_delivered(event: Event, capture: Capture, now: datetime) -> Ending:
    at = event["occurred_at"]
    if event["direction"] == "outbound":
        if event["certainty"] == "inferred":
            text = "Left the queue; that it was delivered is inferred"
            return Ending("delivered", "none", text, is_over=True, at=at)
        return Ending("delivered", "ok", "Delivered", is_over=True, at=at)
    if capture.nodes is None:
        text = "Handed to WildDuck; whether its doings are captured is not known"
        return Ending("handed_over", "none", text, is_over=False, at=at)
    if not capture.nodes:
        where = f": {_name(capture.silent_nodes)}" if capture.silent_nodes else ""
        text = f"Handed to WildDuck; what it did is not captured on any node{where}"
        return Ending("handed_over", "none", text, is_over=False, at=at)
    if now - at < STORE_WITHIN:
        text = "Handed to WildDuck; not stored yet"
        return Ending("handed_over", "none", text, is_over=False, at=at, next_at=at + STORE_WITHIN)
    seconds = int(STORE_WITHIN.total_seconds())
    text = f"Handed to WildDuck; no store seen within {seconds} s by {_name(capture.nodes)}"
    return Ending("handed_over", "warning", text, is_over=False, at=at)


def _end_deferred(event: Event, capture: Capture, now: datetime) -> Ending:
    at = event["occurred_at"]
    if event["direction"] != "outbound":
        return _end_refused_for_now(event, "waiting", "Refused for now")
    attempt = event["attempt"] or 1
    if attempt > len(WAITS_MIN):
        text = f"Deferred {attempt} times; whether ZoneMTA tries again is not known"
        return Ending("unknown", "warning", text, is_over=False, at=at)
    next_at = at + timedelta(minutes=WAITS_MIN[max(attempt, 1) - 1])
    if now > next_at + LATE:
        text = "Deferred; the next attempt was due by ZoneMTA's defaults, and none is known"
        return Ending("unknown", "warning", text, is_over=False, at=at, next_at=next_at)
    text = f"Waits for the next attempt{_because(event)}"
    return Ending("waiting", "warning", text, is_over=False, at=at, next_at=next_at)


def _end_sent(event: Event, capture: Capture, now: datetime) -> Ending:
    at = event["occurred_at"]
    if now - at < LATE:
        text = "In the queue; no attempt yet"
        return Ending("waiting", "none", text, is_over=False, at=at)
    text = "In the queue when last seen; no attempt is known"
    return Ending("unknown", "warning", text, is_over=False, at=at)


def _end_received(event: Event, capture: Capture, now: datetime) -> Ending:
    text = "Received; no outcome is known"
    return Ending("unknown", "none", text, is_over=False, at=event["occurred_at"])


def _end_rejected(event: Event, capture: Capture, now: datetime) -> Ending:
    return _end_refused(event, "rejected", "Rejected")


def _end_bounced(event: Event, capture: Capture, now: datetime) -> Ending:
    return _end_refused(event, "bounced", "Bounced")


def _end_dropped(event: Event, capture: Capture, now: datetime) -> Ending:
    text = f"Removed from the queue{_because(event)}; no notice goes to the sender"
    return Ending("dropped", "warning", text, is_over=True, at=event["occurred_at"])


def _end_greylisted(event: Event, capture: Capture, now: datetime) -> Ending:
    return _end_refused_for_now(event, "greylisted", "Greylisted")


def _end_open(event: Event, capture: Capture, now: datetime) -> Ending:
    text = "No outcome is known"
    return Ending("unknown", "none", text, is_over=False, at=event["occurred_at"])


_ENDS = {
    "delivered": _end_delivered,
    "deferred": _end_deferred,
    "bounced": _end_bounced,
    "rejected": _end_rejected,
    "dropped": _end_dropped,
    "greylisted": _end_greylisted,
    "sent": _end_sent,
    "received": _end_received,
}


def _end_refused(event: Event, state: State, verb: str) -> Ending:
    text = f"{verb}{_because(event)}{_certainty(event)}"
    return Ending(state, "critical", text, is_over=True, at=event["occurred_at"])


def _end_refused_for_now(event: Event, state: State, verb: str) -> Ending:
    text = f"{verb}{_because(event)}; the client may try again, as another transaction"
    return Ending(
        state, "warning", text, is_over=False, at=event["occurred_at"],
        next_at=event["occurred_at"] + RETRY_WITHIN,
    )  # fmt: skip


def _because(event: Event) -> str:
    reason = event["bounce_class"] or event["bounce_category"] or event["filter_outcome"]
    return f" ({reason})" if reason else ""


def _certainty(event: Event) -> str:
    return "; inferred" if event["certainty"] == "inferred" else ""


def _name(nodes: Sequence[str], *, limit: int = 3) -> str:
    more = f" and {len(nodes) - limit} more" if len(nodes) > limit else ""
    return f"{', '.join(nodes[:limit])}{more}"
