"""What Rspamd's controller says: /stat, as JSON."""

from typing import Any

import msgspec

from agent.parsers.values import amount, count, items, table, text, total
from agent.samples import ActionCount, RspamdReadings

CONFIG_ID_LENGTH = 16
MAX_ACTIONS = 20


def parse_stat(body: bytes) -> RspamdReadings:
    """Return the readings of /stat. Raises ValueError when it is not that of an Rspamd."""
    found: dict[str, Any] = table(msgspec.json.decode(body))
    scanned = count(found.get("scanned"))
    if scanned is None or "actions" not in found:
        raise ValueError("no count of scanned messages in it")
    times = [
        seconds for seconds in map(amount, items(found.get("scan_times"))) if seconds is not None
    ]
    return RspamdReadings(
        version=text(found.get("version"), limit=40),
        config_id=text(found.get("config_id"), limit=CONFIG_ID_LENGTH),
        uptime_s=count(found.get("uptime")),
        scanned_total=scanned,
        learned_total=count(found.get("learned")),
        spam_total=count(found.get("spam_count")),
        ham_total=count(found.get("ham_count")),
        actions=_actions(table(found["actions"])),
        connections_total=count(found.get("connections")),
        control_connections_total=count(found.get("control_connections")),
        scan_time_average_s=amount(round(sum(times) / len(times), 6)) if times else None,
        scan_time_max_s=max(times, default=None),
        allocated_bytes=count(found.get("bytes_allocated")),
        fuzzy_hashes_count=_fuzzy(found.get("fuzzy_hashes")),
    )


def _actions(found: dict[str, Any]) -> list[ActionCount]:
    counts = [(text(name), count(value)) for name, value in list(found.items())[:MAX_ACTIONS]]
    return [ActionCount(name, value) for name, value in counts if name and value is not None]


def _fuzzy(found: Any) -> int | None:
    """Return the hashes of all fuzzy storages; there is only something where one is known."""
    if not isinstance(found, dict):
        return count(found)
    return total(map(count, found.values()))
