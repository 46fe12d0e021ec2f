"""Outputs of real programs as they were recorded, for the tests of parsers and collectors."""

import json
from typing import Any

from tests.paths import SAMPLES

RSPAMD_STAT = (SAMPLES / "rspamd" / "stat.json").read_text()
WILDDUCK_METRICS = (SAMPLES / "wildduck" / "metrics-8081.txt").read_text()
WILDDUCK_REFUSAL = (SAMPLES / "wildduck" / "users-no-token.txt").read_text().partition("\n\n")[2]
# /proc/net/snmp and /proc/net/sockstat of a machine with some connections.
SNMP = """\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens CurrEstab InSegs
Tcp: 1 200 120000 -1 101318 78237 344 12712743
"""
SOCKSTAT = (
    "sockets: used 515\nTCP: inuse 372 orphan 0 tw 623 alloc 379 mem 131\nUDP: inuse 0 mem 0\n"
)


def zonemta_answer(name: str) -> str:
    """Return the body of a recorded answer: what follows the headers."""
    return (SAMPLES / "zonemta" / "http" / f"{name}.txt").read_text().partition("\n}\n\n")[2]


def read_recording(name: str) -> list[dict[str, Any]]:
    """Return the change events of a recorded stream, as pymongo gives them."""
    from bson import json_util

    lines = (SAMPLES / "zonemta" / name).read_text().splitlines()
    options = json_util.JSONOptions(tz_aware=True)
    return [json_util.loads(line, json_options=options)["ev"] for line in lines]


def log_entries(action: str) -> list[dict[str, Any]]:
    """Return the arguments of the log:entry hook in the recorded run."""
    items = json.loads((SAMPLES / "zonemta" / "log-entry.json").read_text())[action]
    return [item["entry"] for item in items]


def read_notifications() -> list[dict[str, Any]]:
    """Return recipients and Message-IDs with the header lines of their recorded notification."""
    cases: list[dict[str, Any]] = json.loads(
        (SAMPLES / "zonemta" / "notifications.json").read_text()
    )["cases"]
    return cases
