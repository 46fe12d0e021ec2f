"""What Redis says of itself: the text of INFO, and replies of its protocol."""

import re

from agent.parsers.values import amount, at, count, text, total
from agent.samples import RedisReadings

REPLICA = re.compile(r"^slave\d+$")
KEYSPACE = re.compile(r"^db\d+$")
PART = re.compile(r"(\w+)=([^,]*)")
MAX_LINES = 5000


def parse_fields(info: str) -> dict[str, str]:
    """Return the fields of INFO by name."""
    found: dict[str, str] = {}
    for line in info.splitlines()[:MAX_LINES]:
        name, colon, value = line.partition(":")
        if colon and not name.startswith("#"):
            found[name] = value
    return found


def parse_info(info: str) -> RedisReadings:
    """Return the readings of INFO. Raises ValueError when it is not that of a Redis."""
    found = parse_fields(info)
    if "redis_version" not in found:
        raise ValueError("no redis_version in it")

    def the(name: str) -> int | None:
        return count(found.get(name))

    role = text(found.get("role"), limit=16)
    is_replica = role == "slave"
    return RedisReadings(
        version=text(found.get("valkey_version") or found["redis_version"], limit=40),
        role=role,
        uptime_s=the("uptime_in_seconds"),
        connected_clients_count=the("connected_clients"),
        clients_limit_count=the("maxclients"),
        blocked_clients_count=the("blocked_clients"),
        used_memory_bytes=the("used_memory"),
        used_memory_rss_bytes=the("used_memory_rss"),
        used_memory_peak_bytes=the("used_memory_peak"),
        maxmemory_bytes=the("maxmemory"),
        maxmemory_policy=text(found.get("maxmemory_policy"), limit=32),
        fragmentation_ratio=amount(found.get("mem_fragmentation_ratio")),
        keys_count=_keys(found),
        operations_per_s=amount(found.get("instantaneous_ops_per_sec")),
        commands_total=the("total_commands_processed"),
        connections_total=the("total_connections_received"),
        rejected_connections_total=the("rejected_connections"),
        error_replies_total=the("total_error_replies"),
        keyspace_hits_total=the("keyspace_hits"),
        keyspace_misses_total=the("keyspace_misses"),
        expired_keys_total=the("expired_keys"),
        evicted_keys_total=the("evicted_keys"),
        net_input_bytes_total=the("total_net_input_bytes"),
        net_output_bytes_total=the("total_net_output_bytes"),
        rdb_last_save_at=at(found.get("rdb_last_save_time")),
        rdb_changes_count=the("rdb_changes_since_last_save"),
        rdb_last_save_ok=_is(found, "rdb_last_bgsave_status", "ok"),
        aof_enabled=_is(found, "aof_enabled", "1"),
        aof_last_write_ok=_is(found, "aof_last_write_status", "ok"),
        is_loading=_is(found, "loading", "1"),
        replicas_count=the("connected_slaves"),
        master_link_up=_is(found, "master_link_status", "up") if is_replica else None,
        master_link_down_s=the("master_link_down_since_seconds") if is_replica else None,
        replication_lag_bytes=_lag(found, is_replica=is_replica),
    )


def _is(found: dict[str, str], name: str, wanted: str) -> bool | None:
    return found[name].strip() == wanted if name in found else None


def _keys(found: dict[str, str]) -> int | None:
    """Return the keys of all databases: db0:keys=1,expires=0,avg_ttl=0. Without any there is not
    even the heading's content, so that is 0."""
    sizes = [
        count(dict(PART.findall(value)).get("keys"))
        for name, value in found.items()
        if KEYSPACE.match(name)
    ]
    return None if None in sizes else total([0, *sizes])


def _lag(found: dict[str, str], *, is_replica: bool) -> int | None:
    if is_replica:
        read = count(found.get("slave_read_repl_offset"))
        applied = count(found.get("slave_repl_offset"))
        return None if read is None or applied is None else max(read - applied, 0)
    written = count(found.get("master_repl_offset"))
    offsets = [
        count(dict(PART.findall(value)).get("offset"))
        for name, value in found.items()
        if REPLICA.match(name)
    ]
    known = [offset for offset in offsets if offset is not None]
    if written is None or not known:
        return None
    return max(written - min(known), 0)
