"""Apprise, for the services that have no channel here: a POST to an Apprise API. Pure.

The library itself would connect to wherever an address says, past the check of addresses, so it
runs in a service of its own (docs/decisions/039-apprise-as-a-service.md).
"""

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


def build(message: Message, values: Values) -> Request:
    content = {
        "title": message.title,
        "body": "\n".join([*message.lines, *message.link_lines]),
        "type": _find_type(message),
        "format": "text",
    }
    if values["tag"]:
        content["tag"] = values["tag"]
    return post_json(values["url"], content)


def _find_type(message: Message) -> str:
    if message.kind == "test":
        return "info"
    if message.is_over:
        return "success"
    return "failure" if message.severity == "critical" else "warning"


KIND = ChannelKind(
    "apprise",
    "Apprise",
    (
        Field("url", "Address of an Apprise API", "Such as https://apprise.example/notify/KEY.",
              secret=True, check=check_url),
        Field("tag", "Tag", "Of the services to notify; empty: all of its configuration.",
              required=False, check=check_token),
    ),
    build,
)  # fmt: skip
