"""Checks of the server: reachability, API key and clock."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from agent import clock
from agent.config import Config
from agent.doctor.finding import Finding
from agent.transport.client import NODE_FIX, TOLERATED_SKEW, Action, Client, Outcome
from agent.transport.refusals import Cause, find_cause

# An empty batch needs the key and its scope, and adds nothing.
INGEST_PATH, EMPTY_BATCH = "/api/v1/events/ingest", b"[]"
# The server refuses events more than ten minutes ahead; long before that, pages look odd.
MAX_SKEW = timedelta(seconds=60)
KEY_STATUSES = (401, 403)
_NO_SERVER = "The proxy answers, the server behind it does not: systemctl status mallard-web there."
#: Fixes where a server, or the proxy before it, was reached.
_STATUS_FIXES: dict[int | None, str] = {
    400: "Check DASHBOARD_URL, above all whether it is http or https.",
    429: "Too many requests of this key or address: do many agents share it? What waits is kept.",
    502: _NO_SERVER,
    503: "The server runs and cannot accept now: its address /health/ready names the part that"
    " fails. What waits is kept.",
    504: _NO_SERVER,
}
NODE_STATUS = 403


def check_server(config: Config) -> Iterator[Finding]:
    """Send an empty batch of events and judge the response."""
    client = Client(config.backend, warns_of_skew=False)
    try:
        before = clock.utc_now()
        outcome = client.post(INGEST_PATH, EMPTY_BATCH, answer_needed=True)
        middle = before + (clock.utc_now() - before) / 2
        refusal = None
        if outcome.action is Action.ACCEPTED:
            # An event without its required fields adds nothing, but names the node: that is looked
            # at first.
            probe = msgspec.json.encode([{"mta_node": config.node_id}])
            refusal = judge_node(client.post(INGEST_PATH, probe), config.node_id)
    finally:
        client.close()
    yield from [refusal] if refusal else judge_answer(outcome, config.backend.url)
    if outcome.server_at is not None or outcome.action is Action.ACCEPTED:
        yield judge_skew(middle - outcome.server_at if outcome.server_at else None)


def judge_answer(outcome: Outcome, url: str) -> Iterator[Finding]:
    """Yield the findings about server and key that follow from the response. Pure."""
    fix = outcome.fix.strip()
    line = f"{outcome.reason.removesuffix(outcome.fix).rstrip('. ')}."
    if outcome.action is Action.ACCEPTED:
        yield Finding("ok", "server", f"{url} accepts events.")
        yield Finding("ok", "key", "The server accepts it, and its scope allows sending events.")
    elif outcome.status in KEY_STATUSES:
        yield Finding("ok", "server", f"{url} responds.")
        yield Finding("failure", "key", line, fix)
    elif outcome.action is Action.KEEP:
        yield Finding("failure", "server", line, fix)
    else:
        general = "Check DASHBOARD_URL, the network (firewall, proxy, certificate) and the server."
        yield Finding("failure", "server", line, fix or _STATUS_FIXES.get(outcome.status, general))


def judge_node(outcome: Outcome, node: str) -> Finding | None:
    """Return the finding when the key may not send events of this node. Pure."""
    reasons = [outcome.reason, *(each.error for each in outcome.refusals)]
    causes = [find_cause(each.error, each.code) for each in outcome.refusals]
    if outcome.status == NODE_STATUS or Cause.NODE in [find_cause(outcome.reason), *causes]:
        line = f"The server accepts it, but not for node {node}: {reasons[-1].rstrip('. ')}."
        return Finding("failure", "key", line.replace(NODE_FIX, ""), NODE_FIX.strip())
    return None


def judge_skew(ahead: timedelta | None) -> Finding:
    """Return the finding about this clock; None: the response had no time to compare it with."""
    if ahead is None:
        return Finding(
            "warning",
            "clock",
            "It is not compared with the server's: the response had no Date.",
            "Compare both with timedatectl. A proxy on the way drops Date and Mallard-Date, or the"
            " server is older than this agent.",
        )
    skew = abs(ahead)
    side = "ahead of" if ahead > timedelta(0) else "behind"
    if skew <= TOLERATED_SKEW:
        return Finding("ok", "clock", "It agrees with the server's.")
    return Finding(
        "warning" if skew <= MAX_SKEW else "failure",
        "clock",
        f"This clock is {skew.total_seconds():.0f} s {side} the server's.",
        "Synchronise both: timedatectl set-ntp true, or chrony. The server corrects the times it"
        " gets; one older than this agent refuses events more than 10 minutes ahead, which wait.",
    )
