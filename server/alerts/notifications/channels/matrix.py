"""Matrix: a text message to a room. Pure.

The id of the transaction is the idempotency key, by which the server sends a message once, however
often it is asked. `m.mentions` is empty: nobody is pinged whose name a text holds.
"""

from urllib.parse import quote

from server.alerts.notifications.channels.kind import (
    ChannelKind,
    Field,
    Request,
    Values,
    check_token,
    check_url,
    encode,
)
from server.alerts.notifications.messages import Message


def build(message: Message, values: Values) -> Request:
    body = "\n".join([message.body, *message.link_lines])
    content = {"msgtype": "m.text", "body": body, "m.mentions": {}}
    room, key = quote(values["room"], safe=""), quote(message.key, safe="")
    path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{key}"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {values['token']}"}
    return Request("PUT", values["url"].rstrip("/") + path, encode(content), headers)


KIND = ChannelKind(
    "matrix",
    "Matrix",
    (
        Field("url", "Address of the home server", check=check_url),
        Field("room", "Room", "Its id, such as !abc:example.org.", check=check_token),
        Field("token", "Access token", "Of the account that writes.", secret=True,
              check=check_token),
    ),
    build,
)  # fmt: skip
