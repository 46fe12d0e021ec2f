"""Prometheus Alertmanager's API v2. Pure. The labels name the alert, the same for its all-clear.

Alertmanager ends an alert that nobody sends again at `endsAt`: it is far off, as ours end by word.
"""

from datetime import timedelta

from server.alerts.notifications.channels.kind import (
    ChannelKind,
    Field,
    Request,
    Values,
    check_token,
    check_url,
    post_json,
)
from server.alerts.notifications.messages import Message

ENDS_AFTER = timedelta(days=30)


def build(message: Message, values: Values) -> Request:
    ends_at = message.at if message.is_over else message.at + ENDS_AFTER
    labels = {
        "alertname": message.rule,
        "severity": message.severity,
        "subject": message.subject,
        "instance": message.node,
        "job": "mallard",
    }
    details = "\n".join(f"{name}: {value}" for name, value in message.evidence)
    alert = {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {"summary": message.text, "description": details},
        "startsAt": message.started_at.isoformat(),
        "endsAt": ends_at.isoformat(),
        "generatorURL": message.url,
    }
    headers = {"Authorization": f"Bearer {values['token']}"} if values["token"] else {}
    return post_json(f"{values['url'].rstrip('/')}/api/v2/alerts", [alert], headers)


KIND = ChannelKind(
    "alertmanager",
    "Alertmanager",
    (
        Field("url", "Address", "Without /api/v2.", check=check_url),
        Field("token", "Bearer token", secret=True, required=False, check=check_token),
    ),
    build,
    digests=False,
)
