"""Channels: the services that notifications go to, one module a protocol, by name."""

from server.alerts.notifications.channels import (
    alertmanager,
    apprise,
    discord,
    mail,
    matrix,
    ntfy,
    pagerduty,
    slack,
    teams,
    telegram,
    webhook,
)
from server.alerts.notifications.channels.kind import ChannelKind

KINDS: dict[str, ChannelKind] = {
    each.name: each
    for each in (
        webhook.KIND,
        slack.KIND,
        discord.KIND,
        telegram.KIND,
        ntfy.KIND,
        pagerduty.KIND,
        teams.KIND,
        matrix.KIND,
        alertmanager.KIND,
        mail.KIND,
        apprise.KIND,
    )
}
