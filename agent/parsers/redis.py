"""Parser of Redis's INFO."""

import re

from agent.parsers.values import amount, at, count, text, total
from agent.samples import RedisReadings

REPLICA = re.compile(r"^slave\d+$")
KEYSPACE = re.compile(r"^db\d+$")
PART = re.compile(r"(?<!\w)(\w++)=([^,]*+)")
MAX_LINES = 5000


def parse_fields(info: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in info.splitlines()[:MAX_LINES]:
        name, colon, value = line.partition(":")
        if colon and not name.startswith("#"):
            fields[name] = value
    return fields


def parse_info(info: str) -> RedisReadings:
    """Return the readings of INFO. Raises ValueError for a text of another program."""
    fields = parse_fields(info)
    if "redis_version" not in fields:
        raise ValueError("no redis_version in it")

    def number(name: str) -> int | None:
        return count(fields.get(name))

    role = text(fields.get("role"), limit=16)
    is_replica = role == "slave"
    return RedisReadings(
        version=text(fields.get("valkey_version") or fields["redis_version"], limit=40),
        role=role,
        uptime_s=number("uptime_in_seconds"),
        connected_clients_count=number("connected_clients"),
        clients_limit_count=number("maxclients"),
        blocked_clients_count=number("blocked_clients"),
        used_memory_bytes=number("used_memory"),
        used_memory_rss_bytes=number("used_memory_rss"),
        used_memory_peak_bytes=number("used_memory_peak"),
        maxmemory_bytes=number("maxmemory"),
        maxmemory_policy=text(fields.get("maxmemory_policy"), limit=32),
        fragmentation_ratio=amount(fields.get("mem_fragmentation_ratio")),
        keys_count=_keys(fields),
        operations_per_s=amount(fields.get("instantaneous_ops_per_sec")),
        commands_total=number("total_commands_processed"),
        connections_total=number("total_connections_received"),
        rejected_connections_total=number("rejected_connections"),
        error_replies_total=number("total_error_replies"),
        keyspace_hits_total=number("keyspace_hits"),
        keyspace_misses_total=number("keyspace_misses"),
        expired_keys_total=number("expired_keys"),
        evicted_keys_total=number("evicted_keys"),
        net_input_bytes_total=number("total_net_input_bytes"),
        net_output_bytes_total=number("total_net_output_bytes"),
        rdb_last_save_at=at(fields.get("rdb_last_save_time")),
        rdb_changes_count=number("rdb_changes_since_last_save"),
        rdb_last_save_ok=_is(fields, "rdb_last_bgsave_status", "ok"),
        aof_enabled=_is(fields, "aof_enabled", "1"),
        aof_last_write_ok=_is(fields, "aof_last_write_status", "ok"),
        is_loading=_is(fields, "loading", "1"),
        replicas_count=number("connected_slaves"),
        master_link_up=_is(fields, "master_link_status", "up") if is_replica else None,
        master_link_down_s=number("master_link_down_since_seconds") if is_replica else None,
        replication_lag_bytes=_lag(fields, is_replica=is_replica),
    )


def _is(fields: dict[str, str], name: str, wanted: str) -> bool | None:
    return fields[name].strip() == wanted if name in fields else None


def _keys(fields: dict[str, str]) -> int | None:
    """Return the keys of all databases: db0:keys=1,expires=0,avg_ttl=0. Without keys INFO names no
    database, so that is 0."""
    sizes = _parts(fields, KEYSPACE, "keys")
    return None if None in sizes else total([0, *sizes])


def _parts(fields: dict[str, str], names: re.Pattern[str], part: str) -> list[int | None]:
    """Return one part, as `keys` of keys=1,expires=0, of each field of such a name."""
    return [
        count(dict(PART.findall(value)).get(part))
        for name, value in fields.items()
        if names.match(name)
    ]


def _lag(fields: dict[str, str], *, is_replica: bool) -> int | None:
    if is_replica:
        read = count(fields.get("slave_read_repl_offset"))
        applied = count(fields.get("slave_repl_offset"))
        return None if read is None or applied is None else max(read - applied, 0)
    written = count(fields.get("master_repl_offset"))
    known = [offset for offset in _parts(fields, REPLICA, "offset") if offset is not None]
    if written is None or not known:
        return None
    return max(written - min(known), 0)
