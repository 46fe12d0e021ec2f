"""Discord's webhook. Pure.

Text goes in a block of code, in which Discord finds neither style nor link; `allowed_mentions` lets
nobody be mentioned, whatever a text holds.
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

#: Discord's bound of a description is 4 096.
MAX_BLOCK_CHARS = 3_500
COLOURS = {"critical": 0xD63939, "warning": 0xF59F00}
OVER = 0x2FB344


def build(message: Message, values: Values) -> Request:
    # A block ends at three backticks.
    text = message.body[:MAX_BLOCK_CHARS].replace("`", "\N{MODIFIER LETTER GRAVE ACCENT}")
    links = " \N{MIDDLE DOT} ".join(f"[{name}]({url})" for name, url in message.links)
    embed = {
        "description": f"```\n{text}\n```{links}",
        "color": OVER if message.is_over else COLOURS.get(message.severity, COLOURS["warning"]),
        "timestamp": message.at.isoformat(),
    }
    return post_json(values["url"], {"embeds": [embed], "allowed_mentions": {"parse": []}})


KIND = ChannelKind(
    "discord",
    "Discord",
    (Field("url", "Address of the webhook", secret=True, check=check_url),),
    build,
)
