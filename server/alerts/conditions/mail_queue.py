"""Conditions of the mail queues: their length and age, stranded mail, zones that stand. Pure."""

from collections.abc import Iterator

from server.alerts.conditions.blocked import count_waiting, explain_age, explain_length
from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.conditions.parameters import HOUR, MAX_DAYS_S, MINUTE, Parameter
from server.alerts.snapshot import Snapshot
from server.formats import duration, thousands
from server.mailqueues.accounting import Database


def _name(queue: Database) -> str:
    return queue.name or f"the queue of {queue.reading.node}"


def read_ages(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the age in seconds of the oldest waiting mail of each queue; 0 where none waits."""
    for queue in snapshot.queues:
        subject = Subject("queue", _name(queue))
        if queue.reading.is_stale(snapshot.now) or queue.detail is None:
            yield Reading(subject, None)
            continue
        oldest_at = queue.detail[1].oldest_created_at
        age_s = (snapshot.now - oldest_at).total_seconds() if oldest_at else 0.0
        text = f"Mail waits for {duration(age_s)} in {_name(queue)}"
        evidence = {"oldest_created_at": oldest_at.isoformat() if oldest_at else None}
        yield Reading(
            subject,
            age_s,
            text,
            evidence | explain_age(snapshot, count_waiting(snapshot, queue), age_s),
        )


def read_lengths(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield how many recipients wait for each node's ZoneMTA."""
    for queue in snapshot.queues:
        waiting = count_waiting(snapshot, queue)
        for share in queue.shares:
            node = snapshot.nodes.get(share.node or "")
            if node is None or node.in_maintenance:
                continue
            known = None if share.stale or share.count is None else float(share.count)
            text = f"{thousands(share.count)} recipients wait on {node.name}"
            subject = Subject("node", node.name, node.name)
            evidence = {"database": queue.name, "waiting": share.count}
            evidence |= explain_length(snapshot, waiting, node.name, share.count or 0)
            yield Reading(subject, known, text, evidence)


def read_stranded(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield how much of each queue no living ZoneMTA sends."""
    for queue in snapshot.queues:
        subject = Subject("queue", _name(queue))
        if queue.stranded is None or queue.reading.is_stale(snapshot.now):
            yield Reading(subject, None)
            continue
        shares = [share for share in queue.stranded if share.count]
        count = sum(share.count or 0 for share in shares)
        instances = [share.instance or "" for share in shares]
        where = f" at {instances[0]}" if instances else ""
        text = f"{thousands(count)} recipients are stranded{where}"
        # Whose it was: of what a node that is away leaves behind, that node is the cause.
        nodes = [share.node or "" for share in shares]
        evidence = {"instances": instances, "count": count, "nodes": nodes}
        yield Reading(subject, float(count), text, evidence)


def read_zones(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the seconds since the last outcome of each zone in which mail is due.

    Only of zones that had outcomes lately: of others nobody reports any.
    """
    if not snapshot.is_known("mail", ""):
        return
    due: dict[str, int] = {}
    for queue in snapshot.queues:
        if queue.detail and not queue.reading.is_stale(snapshot.now):
            for each in queue.detail[1].zones:
                due[each.zone] = due.get(each.zone, 0) + each.active_count
    for zone, last_at in snapshot.zones.items():
        silent_s = (snapshot.now - last_at).total_seconds() if due.get(zone) else 0.0
        text = f"Zone {zone} attempts nothing for {duration(silent_s)}"
        evidence = {"due": due.get(zone, 0), "last_outcome_at": last_at.isoformat()}
        yield Reading(Subject("zone", zone), silent_s, f"{text}, and mail is due", evidence)


AGE = Condition(
    "oldest_waiting", "queue", "queue", "The oldest mail of a queue waits for long.", read_ages,
    Parameter("threshold", "s", HOUR, "Waits for longer.", maximum=MAX_DAYS_S), "above",
)  # fmt: skip
LENGTH = Condition(
    "queue_long", "node", "queue", "Many recipients wait for one node.", read_lengths,
    Parameter("threshold", "", 10_000, "More wait."), "above",
)  # fmt: skip
STRANDED = Condition(
    "mail_stranded", "queue", "queue", "Mail is assigned to a ZoneMTA that no agent reports.",
    read_stranded,
)  # fmt: skip
ZONE = Condition(
    "zone_silent", "zone", "queue", "Mail of a zone is due and nothing of it is attempted.",
    read_zones,
    Parameter("threshold", "s", 15 * MINUTE, "No outcome for longer.", MINUTE, 24 * HOUR), "above",
)  # fmt: skip
CONDITIONS = (AGE, LENGTH, STRANDED, ZONE)
RULES = (
    warn("oldest_waiting", AGE, threshold="1 h", clear="50 min", for_="2 min"),
    alarm("oldest_waiting_day", AGE, threshold="24 h", clear="23 h", for_="2 min"),
    warn("queue_long", LENGTH, threshold=10_000, clear=8_000, for_="2 min"),
    alarm("queue_very_long", LENGTH, threshold=20_000, clear=16_000, for_="2 min"),
    alarm("mail_stranded", STRANDED, for_="2 min", keep_firing_for="2 min"),
    alarm("zone_silent", ZONE, threshold="15 min", for_="1 min"),
)
