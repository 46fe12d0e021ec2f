"""Slack's incoming webhook, and what is compatible with it (Mattermost, Rocket.Chat, Zulip). Pure.

Text goes in blocks of `plain_text`, in which nothing is a mention, a link or a style. `text` is the
line of the pop-up; there `&`, `<` and `>` are escaped, as Slack asks, so that no mention is left.
"""

from server.alerts.notifications.channels.kind import (
    ChannelKind,
    Field,
    Request,
    Values,
    check_url,
    post_json,
)
from server.alerts.notifications.messages import Message

#: Slack's bound of a text in a block is 3 000, of a header 150.
MAX_BLOCK_CHARS = 2_900


def escape(text: str) -> str:
    """Return text in which Slack finds no mention and no link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def build(message: Message, values: Values) -> Request:
    blocks = [_section(message.title), _section("\n".join(message.lines)[:MAX_BLOCK_CHARS])]
    if message.links:
        buttons = [
            {"type": "button", "text": {"type": "plain_text", "text": name}, "url": url}
            for name, url in message.links
        ]
        blocks.append({"type": "actions", "elements": buttons})
    return post_json(values["url"], {"text": escape(message.title), "blocks": blocks})


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}


KIND = ChannelKind(
    "slack",
    "Slack",
    (Field("url", "Address of the incoming webhook", secret=True, check=check_url),),
    build,
)
