"""ntfy: publishing as JSON. Pure. Its messages are plain text unless Markdown is requested."""

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

#: ntfy turns what is longer than 4 096 bytes into an attachment.
MAX_TEXT_BYTES = 3_500
URGENT, HIGH, LOW = 5, 4, 2


def build(message: Message, values: Values) -> Request:
    text = "\n".join(message.lines).encode()[:MAX_TEXT_BYTES].decode(errors="ignore")
    content: dict[str, object] = {
        "topic": values["topic"],
        "title": message.title,
        "message": text,
        "priority": LOW if message.is_over else URGENT if message.severity == "critical" else HIGH,
        "tags": ["white_check_mark" if message.is_over else "rotating_light"],
        "actions": [{"action": "view", "label": name, "url": url} for name, url in message.links],
    }
    if message.url:
        content["click"] = message.url
    headers = {"Authorization": f"Bearer {values['token']}"} if values["token"] else {}
    return post_json(values["url"], content, headers)


KIND = ChannelKind(
    "ntfy",
    "ntfy",
    (
        Field("url", "Address of the server", default="https://ntfy.sh", check=check_url),
        Field("topic", "Topic", "Who knows it can read: choose one nobody guesses.", secret=True,
              check=check_token),
        Field("token", "Access token", secret=True, required=False, check=check_token),
    ),
    build,
)  # fmt: skip
