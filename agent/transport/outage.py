"""Outage of the server as this node sees it: which webhook call is due. Pure.

Reached is what accepted a request: a server that answers 401 or 500 is up, but monitors this node
no more than one that is down. The time counts while the agent runs, so that a node that was
switched off for a night does not report an outage at its start.
"""

from typing import Literal

import msgspec
from msgspec.structs import replace

from agent.wire import AwareTime

CallKind = Literal["unreachable", "reachable"]
#: Waits before a failed call is tried again; the last one again and again.
RETRY_S = (60.0, 300.0, 900.0)
KEY_FORMAT = "%Y%m%dT%H%M%S%f"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call to make. `key`: the same at each attempt. `until_at`: of one about the end."""

    kind: CallKind
    key: str
    since_at: AwareTime
    until_at: AwareTime | None = None
    attempts: int = 0


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """State of the switch, kept over restarts.

    `since_at`: of the first request of this outage that failed, None: the server is reached;
    `waited_s`: for how long none was accepted since. `is_reported`: the receiver knows, or may
    know, of an outage. The rest is about the calls made.
    """

    since_at: AwareTime | None = None
    waited_s: float = 0.0
    is_reported: bool = False
    reported_since_at: AwareTime | None = None
    call: Call | None = None
    calls_total: int = 0
    failures_total: int = 0
    last_kind: CallKind | None = None
    last_called_at: AwareTime | None = None
    last_error: str = ""


def advance(
    outage: Outage, *, reached: bool | None, elapsed_s: float, after_s: float, now: AwareTime
) -> Outage:
    """Return the state after `elapsed_s` more. `reached`: whether a request was accepted in that
    time, False: some failed and none was, None: there was none."""
    if reached:
        return _end(outage, now)
    if outage.since_at is None and reached is None:
        return outage
    since_at = outage.since_at or now
    waited_s = outage.waited_s + (elapsed_s if outage.since_at else 0.0)
    outage = replace(outage, since_at=since_at, waited_s=waited_s)
    if waited_s < after_s:
        return outage
    if outage.is_reported:
        # The end before this outage did not arrive: to the receiver it is still the one before.
        is_stale = outage.call is not None and outage.call.kind == "reachable"
        return replace(outage, call=None) if is_stale else outage
    if outage.call is not None:
        return outage
    call = Call(kind="unreachable", key=_key("unreachable", since_at), since_at=since_at)
    return replace(outage, call=call)


def begin_attempt(outage: Outage) -> Outage:
    """Return the state to store before an attempt: a killed agent knows that it was made."""
    if outage.call is None:
        return outage
    call = replace(outage.call, attempts=outage.call.attempts + 1)
    return replace(outage, call=call, is_reported=True, reported_since_at=call.since_at)


def finish_attempt(outage: Outage, error: str, now: AwareTime) -> Outage:
    """Return the state after an attempt. `error` is empty where it was accepted."""
    if outage.call is None:
        return outage
    done = replace(
        outage,
        calls_total=outage.calls_total + 1,
        failures_total=outage.failures_total + bool(error),
        last_kind=outage.call.kind,
        last_called_at=now,
        last_error=error,
    )
    if error:
        return done
    return replace(done, call=None, is_reported=outage.call.kind == "unreachable")


def find_retry_s(call: Call) -> float:
    """Return how long to wait after the attempts of a call so far."""
    return RETRY_S[min(call.attempts, len(RETRY_S)) - 1] if call.attempts else 0.0


def _end(outage: Outage, now: AwareTime) -> Outage:
    """Return the state once the server is reached: what was reported, or attempted, is ended."""
    outage = replace(outage, since_at=None, waited_s=0.0)
    if not outage.is_reported:
        return replace(outage, call=None)
    if outage.call is not None and outage.call.kind == "reachable":
        return outage
    since_at = outage.reported_since_at or now
    call = Call(kind="reachable", key=_key("reachable", since_at), since_at=since_at, until_at=now)
    return replace(outage, call=call)


def _key(kind: CallKind, since_at: AwareTime) -> str:
    return f"{kind}-{since_at.strftime(KEY_FORMAT)}"
