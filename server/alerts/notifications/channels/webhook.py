"""Webhook: a POST of JSON, signed, to a program of the operator's own. Pure.

`X-Mallard-Signature: t=1795000000,v1=HEX`: HMAC-SHA256 by the shared secret over the time, a full
stop and the body, as Stripe signs. A receiver compares in constant time and refuses old times.
"""

import hashlib
import hmac

from server.alerts.notifications.channels.kind import (
    ChannelKind,
    Field,
    Request,
    Values,
    check_url,
    encode,
)
from server.alerts.notifications.messages import Message


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header of a signature."""
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def build(message: Message, values: Values) -> Request:
    body = encode(message.as_json())
    headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
    if values["secret"]:
        timestamp = int(message.at.timestamp())
        headers["X-Mallard-Signature"] = sign(values["secret"], timestamp, body)
    return Request("POST", values["url"], body, headers)


KIND = ChannelKind(
    "webhook",
    "Webhook",
    (
        Field("url", "Address", "Gets a POST of JSON.", secret=True, check=check_url),
        Field(
            "secret",
            "Signing secret",
            "Both sides know it; the signature is HMAC-SHA256.",
            secret=True,
            required=False,
        ),
    ),
    build,
    digests=False,
)
