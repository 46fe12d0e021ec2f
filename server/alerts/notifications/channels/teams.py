"""Microsoft Teams by a workflow ("when a webhook request is received"): an adaptive card. Pure.

Text goes in runs of a RichTextBlock, which know no Markdown; a TextBlock would.
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

COLOURS = {"critical": "Attention", "warning": "Warning"}


def build(message: Message, values: Values) -> Request:
    colour = "Good" if message.is_over else COLOURS.get(message.severity, "Warning")
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _text(message.title, weight="Bolder", color=colour),
            *[_text(line) for line in message.lines],
        ],
        "actions": [
            {"type": "Action.OpenUrl", "title": name, "url": url} for name, url in message.links
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return post_json(values["url"], {"type": "message", "attachments": [attachment]})


def _text(text: str, **style: str) -> dict[str, object]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


KIND = ChannelKind(
    "teams",
    "Microsoft Teams",
    (Field("url", "Address of the workflow", secret=True, check=check_url),),
    build,
)
