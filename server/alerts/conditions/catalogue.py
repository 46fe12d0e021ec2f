"""Catalogue of conditions by name, and of the rules that are on by default. Pure."""

from server.alerts.conditions import (
    accounts,
    completeness,
    databases,
    destinations,
    mail_flow,
    mail_queue,
    nodes,
    programs,
    resources,
    server,
)
from server.alerts.conditions.condition import Condition, Rule

FAMILIES = {
    "server": server,
    "nodes": nodes,
    "programs": programs,
    "resources": resources,
    "databases": databases,
    "mail_flow": mail_flow,
    "mail_queue": mail_queue,
    "destinations": destinations,
    "accounts": accounts,
    "completeness": completeness,
}
#: Name → condition.
CONDITIONS: dict[str, Condition] = {
    condition.name: condition for family in FAMILIES.values() for condition in family.CONDITIONS
}
#: Name → rule that is on by default.
DEFAULT_RULES: dict[str, Rule] = {
    rule.name: rule for family in FAMILIES.values() for rule in family.RULES
}
