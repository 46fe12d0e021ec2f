"""PagerDuty's Events API v2. Pure. The deduplication key is the alert's name, so that the all-clear
resolves what the alert triggered."""

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

#: PagerDuty's bound of a summary is 1 024, of the key 255.
MAX_KEY_CHARS = 255


def build(message: Message, values: Values) -> Request:
    content: dict[str, object] = {
        "routing_key": values["routing_key"],
        "event_action": "resolve" if message.is_over else "trigger",
        "dedup_key": f"mallard {message.alert}"[:MAX_KEY_CHARS],
        "payload": {
            "summary": message.title,
            "source": message.node or message.subject or "mallard",
            "severity": "critical" if message.severity == "critical" else "warning",
            "timestamp": message.started_at.isoformat(),
            "component": message.subject,
            "class": message.rule,
            "custom_details": dict(message.evidence),
        },
        "links": [{"href": url, "text": name} for name, url in message.links],
    }
    return post_json(values["url"], content)


KIND = ChannelKind(
    "pagerduty",
    "PagerDuty",
    (
        Field("routing_key", "Integration key", "Of an Events API v2 integration.", secret=True,
              check=check_token),
        Field("url", "Address of the API", default="https://events.pagerduty.com/v2/enqueue",
              check=check_url),
    ),
    build,
    digests=False,
)  # fmt: skip
