"""Secrets of channels at rest: encrypted with a key made of SECRET_KEY, by Fernet.

Where SECRET_KEY changes, the one before belongs into SECRET_KEY_FALLBACKS until each channel was
saved again; what no key opens has to be entered anew.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from server.alerts.notifications.http import SendError

_PURPOSE = b"mallard notification channels"


class LostSecret(SendError):
    """Secrets that no key opens."""


def encrypt(values: Mapping[str, str]) -> str:
    """Return the values as one token."""
    return _fernet().encrypt(json.dumps(dict(values)).encode()).decode()


def decrypt(token: str) -> dict[str, str]:
    """Return the values of a token; none of an empty one. Raises LostSecret."""
    if not token:
        return {}
    try:
        values: dict[str, str] = json.loads(_fernet().decrypt(token.encode()))
    except InvalidToken:
        raise LostSecret(
            "the secrets of this channel cannot be read, as SECRET_KEY has changed: enter them"
            " again, or add the key before to SECRET_KEY_FALLBACKS"
        ) from None
    return values


def _fernet() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    # SECRET_KEY is long and random, so one round makes a good key of it.
    digests = [hmac.new(str(key).encode(), _PURPOSE, hashlib.sha256).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(each)) for each in digests])
