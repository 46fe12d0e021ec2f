"""Parser of MongoDB's replies to hello, serverStatus, replSetGetStatus and dbStats."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agent.parsers.values import count, items, number, table, text, total
from agent.samples import DatabaseSize, Member, MongoReadings

MIB = 2**20
ASSERTS = ("regular", "warning", "msg", "user")
MAX_MEMBERS = 50  # MongoDB's own limit
MAX_DATABASES = 50
EPOCH_YEAR = 1970


def build_readings(
    *,
    hello: Any,
    status: Any = None,
    replica_set: Any = None,
    databases: Sequence[Any] = (),
    oplog: tuple[float | None, int | None] = (None, None),
    refused: Sequence[str] = (),
) -> MongoReadings:
    """Return the readings; those of missing replies are None. `oplog`: its time span in seconds and
    maximum size in bytes. A program that is no mongod has no readings."""
    hello, status, replica_set = table(hello), table(status), table(replica_set)
    operations = table(status.get("opcounters"))
    connections = table(status.get("connections"))
    cache = table(table(status.get("wiredTiger")).get("cache"))
    waiting = table(table(status.get("globalLock")).get("currentQueue"))
    network = table(status.get("network"))
    asserts = table(status.get("asserts"))
    resident_mib = count(table(status.get("mem")).get("resident"))
    members = _members(replica_set)
    own = next((m for m, raw in members if raw.get("self") is True), None)
    sizes = [table(stats) for stats in databases[:MAX_DATABASES]]
    return MongoReadings(
        version=text(status.get("version"), limit=40),
        uptime_s=count(status.get("uptime")),
        connections_current_count=count(connections.get("current")),
        connections_available_count=count(connections.get("available")),
        connections_created_total=count(connections.get("totalCreated")),
        insert_total=count(operations.get("insert")),
        query_total=count(operations.get("query")),
        update_total=count(operations.get("update")),
        delete_total=count(operations.get("delete")),
        getmore_total=count(operations.get("getmore")),
        command_total=count(operations.get("command")),
        memory_resident_bytes=None if resident_mib is None else count(resident_mib * MIB),
        cache_used_bytes=count(cache.get("bytes currently in the cache")),
        cache_dirty_bytes=count(cache.get("tracked dirty bytes in the cache")),
        cache_max_bytes=count(cache.get("maximum bytes configured")),
        queued_reads_count=count(waiting.get("readers")),
        queued_writes_count=count(waiting.get("writers")),
        read_tickets_available_count=_tickets(status, "read"),
        write_tickets_available_count=_tickets(status, "write"),
        net_input_bytes_total=count(network.get("bytesIn")),
        net_output_bytes_total=count(network.get("bytesOut")),
        asserts_total=total(count(asserts.get(kind)) for kind in ASSERTS),
        page_faults_total=count(table(status.get("extra_info")).get("page_faults")),
        replica_set=text(replica_set.get("set")) or text(hello.get("setName")),
        member_state=own.state if own else _state(hello),
        primary=_primary(members) if members else text(hello.get("primary"), limit=255),
        replication_lag_s=own.lag_s if own else None,
        members=[member for member, _ in members],
        oplog_window_s=oplog[0],
        oplog_bytes=oplog[1],
        disk_used_bytes=_first(sizes, "fsUsedSize"),
        disk_total_bytes=_first(sizes, "fsTotalSize"),
        databases=[size for size in map(_database, sizes) if size is not None],
        refused=list(refused),
    )


def _state(hello: dict[str, Any]) -> str | None:
    """Return the member's state from `hello`, for users without replSetGetStatus."""
    if not hello.get("setName"):
        return None
    # Servers before 4.4.2 have only the old name.
    if hello.get("isWritablePrimary") or hello.get("ismaster"):
        return "PRIMARY"
    if hello.get("arbiterOnly"):
        return "ARBITER"
    return "SECONDARY" if hello.get("secondary") else None


def _members(replica_set: dict[str, Any]) -> list[tuple[Member, dict[str, Any]]]:
    raw = [table(member) for member in items(replica_set.get("members"))[:MAX_MEMBERS]]
    written = next((_at(m.get("optimeDate")) for m in raw if m.get("stateStr") == "PRIMARY"), None)
    members = []
    for member in raw:
        name, state = text(member.get("name"), limit=255), text(member.get("stateStr"), limit=64)
        if name is None or state is None:
            continue
        # 0 also of an unreachable member; `state` distinguishes them.
        is_healthy = number(member.get("health")) == 1
        applied = _at(member.get("optimeDate"))
        lag_s: float | None = None
        # 1970 of an unreachable member.
        if written and applied and applied.year > EPOCH_YEAR and state != "ARBITER":
            lag_s = max((written - applied).total_seconds(), 0.0)
        members.append((Member(name=name, state=state, is_healthy=is_healthy, lag_s=lag_s), member))
    return members


def _primary(members: list[tuple[Member, dict[str, Any]]]) -> str | None:
    return next((member.name for member, _ in members if member.state == "PRIMARY"), None)


def _at(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) and value.tzinfo else None


def _tickets(status: dict[str, Any], kind: str) -> int | None:
    """Return the tickets left for concurrent reads or writes; without any they wait."""
    before_8 = table(table(status.get("wiredTiger")).get("concurrentTransactions"))
    since_8 = table(table(status.get("queues")).get("execution"))
    return count(table((before_8 or since_8).get(kind)).get("available"))


def _database(stats: dict[str, Any]) -> DatabaseSize | None:
    name = text(stats.get("db"))
    if name is None:
        return None
    return DatabaseSize(
        name=name,
        collections_count=count(stats.get("collections")),
        objects_count=count(stats.get("objects")),
        data_bytes=count(stats.get("dataSize")),
        storage_bytes=count(stats.get("storageSize")),
        index_bytes=count(stats.get("indexSize")),
    )


def _first(sizes: list[dict[str, Any]], name: str) -> int | None:
    return next((size for size in (count(stats.get(name)) for stats in sizes) if size), None)
