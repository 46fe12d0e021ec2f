"""The page Overview: destinations that refuse mail, and nodes with their state. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from server.alerts.backlog import unstored
from server.alerts.nodes import OFFLINE, ONLINE, judge_status, worst_level
from server.alerts.present.problems import Facts
from server.alerts.present.standing import Finding
from server.formats import percent
from server.nodes.models import Node
from server.rollups.mail.failing_destinations import Destination


def overview_json(
    facts: Facts, nodes: Iterable[Node], *, now: datetime, offline_after_s: float
) -> dict[str, Any]:
    """Return the panels of the page that no live frame carries."""
    offline_after_s += unstored(facts.backlog, now).total_seconds()
    return {
        "at": now.isoformat(),
        "findings": [problem.as_json() for problem in facts.problems],
        "complete": facts.complete,
        "destinations": [_destination(each) for each in facts.destinations],
        "nodes": [
            _node(node, now, offline_after_s, facts.standing.of_node(node.name)) for node in nodes
        ],
    }


def _destination(each: Destination) -> dict[str, Any]:
    return asdict(each) | {
        "attempts": each.attempts,
        "failed_percent": percent(each.deferred + each.bounced, each.attempts),
        "since": each.since and each.since.isoformat(),
    }


def _node(
    node: Node, now: datetime, offline_after_s: float, findings: Sequence[Finding]
) -> dict[str, Any]:
    status = judge_status(
        node.contact_at,
        now=now,
        offline_after_s=offline_after_s,
        maintenance=node.in_maintenance,
    )
    silent_since = node.contact_at if status is OFFLINE else None
    state = "reports" if status is ONLINE else status.label
    if findings:
        state += ", 1 alert" if len(findings) == 1 else f", {len(findings)} alerts"
    levels = {status.level, *(each.level for each in findings)}
    return {
        "name": node.name,
        "role": node.role,
        "level": worst_level(levels) if findings else status.level,
        "state": state,
        "silent_since": silent_since and silent_since.isoformat(),
        "addresses": node.addresses,
    }
