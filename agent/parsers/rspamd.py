"""Parser of /stat of Rspamd's controller."""

from typing import Any

import msgspec

from agent.parsers.values import amount, count, items, table, text, total
from agent.samples import ActionCount, RspamdReadings

CONFIG_ID_LENGTH = 16
MAX_ACTIONS = 20


def parse_stat(body: bytes) -> RspamdReadings:
    """Return the readings of /stat. Raises ValueError for a body of another program."""
    stat: dict[str, Any] = table(msgspec.json.decode(body))
    scanned = count(stat.get("scanned"))
    if scanned is None or "actions" not in stat:
        raise ValueError("no count of scanned messages in it")
    times = [
        seconds for seconds in map(amount, items(stat.get("scan_times"))) if seconds is not None
    ]
    return RspamdReadings(
        version=text(stat.get("version"), limit=40),
        config_id=text(stat.get("config_id"), limit=CONFIG_ID_LENGTH),
        uptime_s=count(stat.get("uptime")),
        scanned_total=scanned,
        learned_total=count(stat.get("learned")),
        spam_total=count(stat.get("spam_count")),
        ham_total=count(stat.get("ham_count")),
        actions=_actions(table(stat["actions"])),
        connections_total=count(stat.get("connections")),
        control_connections_total=count(stat.get("control_connections")),
        scan_time_average_s=amount(round(sum(times) / len(times), 6)) if times else None,
        scan_time_max_s=max(times, default=None),
        allocated_bytes=count(stat.get("bytes_allocated")),
        fuzzy_hashes_count=_fuzzy(stat.get("fuzzy_hashes")),
    )


def _actions(actions: dict[str, Any]) -> list[ActionCount]:
    counts = [(text(name), count(value)) for name, value in list(actions.items())[:MAX_ACTIONS]]
    return [ActionCount(name, value) for name, value in counts if name and value is not None]


def _fuzzy(hashes: Any) -> int | None:
    """Return the hashes of all fuzzy storages, None without any."""
    if not isinstance(hashes, dict):
        return count(hashes)
    return total(map(count, hashes.values()))
