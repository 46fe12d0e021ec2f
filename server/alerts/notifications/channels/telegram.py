"""Telegram's Bot API, `sendMessage`. Pure.

Text goes in `<pre>`, escaped: Telegram looks in there for no mention, command, tag or link.
"""

import json
from html import escape

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

#: Telegram's bound is 4 096 characters after entities are read.
MAX_TEXT_CHARS = 3_500


def build(message: Message, values: Values) -> Request:
    text = f"<pre>{escape(message.body[:MAX_TEXT_CHARS], quote=False)}</pre>"
    content: dict[str, object] = {
        "chat_id": values["chat"],
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": message.severity != "critical",
    }
    # Telegram refuses buttons whose address is not public; the text has no link then.
    buttons = [{"text": name, "url": url} for name, url in message.links if _is_public(url)]
    if buttons:
        content["reply_markup"] = {"inline_keyboard": [buttons]}
    return post_json(f"{values['api'].rstrip('/')}/bot{values['token']}/sendMessage", content)


def read_error(body: bytes) -> str | None:
    """Return what Telegram says where it answers that it did not send."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    if isinstance(answer, dict) and answer.get("ok") is False:
        return str(answer.get("description", "refused"))
    return None


def _is_public(url: str) -> bool:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return "." in host and not host.startswith(("127.", "localhost"))


KIND = ChannelKind(
    "telegram",
    "Telegram",
    (
        Field("token", "Token of the bot", "From @BotFather.", secret=True, check=check_token),
        Field("chat", "Chat", "Its number, or @name of a channel.", check=check_token),
        Field("api", "Address of the API", default="https://api.telegram.org", check=check_url),
    ),
    build,
    read_error,
)
