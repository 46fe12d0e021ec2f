"""Conditions of MongoDB and Redis. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.conditions.parameters import HOUR, MAX_DAYS_S, Parameter
from server.alerts.snapshot import Sample, Snapshot
from server.formats import byte_size, duration

PRIMARY = "PRIMARY"
#: Of the time that passes, an oplog that drops nothing grows by nearly all.
MIN_GROWTH = 0.9
#: States of a member that does its work, or is about to.
LIVING = frozenset({PRIMARY, "SECONDARY", "ARBITER", "STARTUP2", "RECOVERING", "ROLLBACK"})


@dataclass(frozen=True)
class ReplicaSet:
    """A replica set as the agents beside it see it. `view`: the newest that sees a primary, else
    the newest. `has_primary`: by any of the views: one that is cut off sees none."""

    name: str
    nodes: tuple[str, ...]
    has_primary: bool
    view: Sample

    @property
    def members(self) -> list[Mapping[str, Any]]:
        return list(self.view.values.get("members") or ())


def find_replica_sets(snapshot: Snapshot) -> list[ReplicaSet]:
    """Return each set once. Two of one name that share no member are two sets, each named by its
    first member too."""
    groups: list[tuple[str, set[str], list[tuple[str, Sample]]]] = []
    samples = sorted(snapshot.fresh_samples("mongodb").items())
    for node, sample in samples:
        name, members = sample.values.get("replica_set"), sample.values.get("members")
        if not name or not members:
            continue
        names = {str(member["name"]) for member in members}
        for group_name, group_members, views in groups:
            if group_name == name and group_members & names:
                group_members.update(names)
                views.append((node, sample))
                break
        else:
            groups.append((str(name), names, [(node, sample)]))
    taken = [name for name, _, _ in groups]
    return [
        _replica_set(name if taken.count(name) == 1 else f"{name} of {min(members)}", views)
        for name, members, views in groups
    ]


def _replica_set(name: str, views: list[tuple[str, Sample]]) -> ReplicaSet:
    def sees_primary(sample: Sample) -> bool:
        return any(member["state"] == PRIMARY for member in sample.values["members"])

    newest = max((sample for _, sample in views), key=lambda s: (sees_primary(s), s.at))
    return ReplicaSet(name, tuple(node for node, _ in views), sees_primary(newest), newest)


def read_primaries(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield 1 for each replica set without a primary."""
    for each in find_replica_sets(snapshot):
        states = {str(member["name"]): member["state"] for member in each.members}
        text = f"MongoDB's replica set {each.name} has no primary: nothing can be written"
        subject = Subject("replica_set", each.name)
        yield Reading(subject, float(not each.has_primary), text, {"members": states})


def read_members(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield 1 for each member of a replica set that is down."""
    for each in find_replica_sets(snapshot):
        for member in each.members:
            is_down = member.get("is_healthy") is False or member["state"] not in LIVING
            text = f"{member['name']} of the replica set {each.name} is down ({member['state']})"
            subject = Subject("member", f"{each.name}/{member['name']}")
            yield Reading(subject, float(is_down), text, {"state": member["state"]})


def read_lags(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield how far each secondary is behind its primary, in seconds."""
    for each in find_replica_sets(snapshot):
        for member in each.members:
            lag_s = member.get("lag_s")
            if lag_s is None or not each.has_primary:
                continue
            text = f"{member['name']} is {duration(lag_s)} behind its primary"
            subject = Subject("member", f"{each.name}/{member['name']}")
            yield Reading(subject, float(lag_s), text, {"lag_s": lag_s})


def read_oplogs(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the seconds of writes that each node's oplog holds, of those that are full: a young one
    holds little, and has dropped nothing yet."""
    for name, sample in snapshot.fresh_samples("mongodb").items():
        window_s = sample.values.get("oplog_window_s")
        if window_s is None or not _has_dropped(window_s, sample.values.get("oplog_before")):
            continue
        text = f"MongoDB's oplog on {name} holds {duration(window_s)} of writes"
        yield Reading(Subject("node", name, name), float(window_s), text, {"window_s": window_s})


def _has_dropped(window_s: float, before: tuple[float, float] | None) -> bool:
    """Return whether an oplog has dropped its first entries of late: its window has grown by less
    than the time that has passed. `before`: the seconds that have, and the window then.

    MongoDB drops a tenth of an oplog at once, or less: one that dropped nothing for a quarter of
    its window is not full. Without a reading from then its history is too short to judge it.
    """
    return before is not None and window_s - before[1] < MIN_GROWTH * before[0]


def read_redis_memory(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the percent of maxmemory each Redis uses; one without a bound is no subject."""
    for name, sample in snapshot.fresh_samples("redis").items():
        used, limit = sample.values.get("used_memory_bytes"), sample.values.get("maxmemory_bytes")
        if used is None or not limit:
            continue
        percent = 100 * used / limit
        text = f"Redis on {name} uses {percent:.0f} % of its {byte_size(limit)}"
        evidence = {"used_bytes": used, "maxmemory_bytes": limit}
        yield Reading(Subject("node", name, name), percent, text, evidence)


NO_PRIMARY = Condition(
    "mongodb_no_primary", "replica_set", "mongodb", "A replica set has no primary.",
    read_primaries,
)  # fmt: skip
MEMBER = Condition(
    "mongodb_member_down", "member", "mongodb", "A member of a replica set is down.", read_members
)
LAG = Condition(
    "mongodb_lag", "member", "mongodb", "A secondary is behind its primary.", read_lags,
    Parameter("threshold", "s", 10, "Further behind."), "above",
)  # fmt: skip
OPLOG = Condition(
    "mongodb_oplog_short", "node", "mongodb",
    "The oplog holds little: a secondary or a change stream that is away for longer is lost.",
    read_oplogs,
    Parameter("threshold", "s", 24 * HOUR, "Holds less.", maximum=MAX_DAYS_S), "below",
)  # fmt: skip
REDIS_MEMORY = Condition(
    "redis_memory", "node", "redis", "Redis comes near its maxmemory.", read_redis_memory,
    Parameter("threshold", "%", 80, "Uses more.", maximum=100), "above",
)  # fmt: skip
CONDITIONS = (NO_PRIMARY, MEMBER, LAG, OPLOG, REDIS_MEMORY)
RULES = (
    alarm("mongodb_no_primary", NO_PRIMARY, for_="30 s"),
    warn("mongodb_member_down", MEMBER, for_="1 min"),
    warn("mongodb_lag", LAG, threshold="10 s", clear="5 s", for_="5 min"),
    alarm("mongodb_lag_high", LAG, threshold="30 s", clear="20 s", for_="1 min"),
    warn("mongodb_oplog_short", OPLOG, threshold="24 h", clear="26 h", for_="10 min"),
    alarm("mongodb_oplog_very_short", OPLOG, threshold="12 h", clear="13 h", for_="10 min"),
    warn("redis_memory", REDIS_MEMORY, threshold="80 %", clear="75 %", for_="1 min"),
)
