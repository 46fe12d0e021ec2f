"""Headline and rows of the page of channels. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from server.alerts.notifications.channels import KINDS
from server.alerts.notifications.models import Channel, NotificationRoute
from server.alerts.notifications.queries import ChannelHealth


@dataclass(frozen=True)
class Row:
    """A channel. `level`: of its last attempt; `warning`: its relay is watched."""

    channel: Channel
    kind: str
    level: str
    state: str
    health: ChannelHealth
    routes: Sequence[str]
    warning: str


def build_rows(
    health: Iterable[ChannelHealth],
    routes: Sequence[NotificationRoute],
    warnings: Mapping[str, str],
) -> list[Row]:
    rows = []
    for each in health:
        level, state = judge(each)
        name = each.channel.name
        used_by = [
            route.name for route in routes if any(name in step["channels"] for step in route.steps)
        ]
        kind = KINDS[each.channel.kind].title if each.channel.kind in KINDS else each.channel.kind
        warning = warnings.get(name, "")
        rows.append(Row(each.channel, kind, level, state, each, used_by, warning))
    return rows


def judge(health: ChannelHealth) -> tuple[str, str]:
    """Return level and state of a channel in words: what was never tried is not fine."""
    if not health.channel.is_enabled:
        return "none", "switched off"
    if health.last is None:
        return "none", "never used: send a test"
    if health.last.error and health.last_state != "sent":
        return "critical", f"fails: {health.last.error}"
    if health.last.error:
        return "warning", f"arrived, in part: {health.last.error}"
    return "ok", "arrived"


def build_headline(rows: Sequence[Row], routes: Sequence[NotificationRoute]) -> tuple[str, str]:
    """Return level and sentence of all channels."""
    if not rows:
        return "warning", "Nobody is notified of anything: there is no channel."
    if not any(row.routes for row in rows):
        return "warning", "Nobody is notified of anything: no route leads to a channel."
    failing = [row.channel.name for row in rows if row.level == "critical"]
    if failing:
        return "critical", f"Notifications fail by {', '.join(failing[:5])}."
    if all(row.level == "none" for row in rows):
        return "warning", "No channel was used yet: send a test by each."
    count = len(rows)
    channels, paths = "channel" if count == 1 else "channels", len(routes)
    return "ok", f"{count} {channels}, {paths} {'route' if paths == 1 else 'routes'}; none fails."


def build_route_row(route: NotificationRoute) -> tuple[NotificationRoute, str, str]:
    """Return a route of the list, with its alerts and its steps in words."""
    return route, describe_filter(route), describe_steps(route)


def describe_filter(route: NotificationRoute) -> str:
    """Return which alerts a route is of."""
    parts = [", ".join(route.severities) or "all", ", ".join(route.rules)]
    parts += [f"node {route.node}" if route.node else ""]
    parts += [f"subject {route.subject}" if route.subject else ""]
    return " · ".join(filter(None, parts))


def describe_steps(route: NotificationRoute) -> str:
    """Return the steps of a route as one sentence."""
    steps = []
    for step in route.steps:
        after_min = step["after_min"]
        when = f"after {after_min} min" if after_min else "at once"
        steps.append(f"{when}: {', '.join(map(str, step['channels']))}")
    if route.repeat_min:
        steps.append(f"again every {route.repeat_min} min")
    return "; ".join(steps)
