"""API keys as text: make, parse, hash. Pure but for the random source."""

import hashlib
import hmac
import secrets
from typing import NamedTuple

PREFIX_CHARS = 12
SECRET_BYTES = 32


class KeyText(NamedTuple):
    """A key as its holder sends it: `mlrd_<prefix>_<secret>`."""

    prefix: str
    secret: str

    def __str__(self) -> str:
        return f"mlrd_{self.prefix}_{self.secret}"


def new_key() -> KeyText:
    """Return a fresh key with 256 random bits in its secret."""
    prefix = secrets.token_hex(PREFIX_CHARS // 2)
    return KeyText(prefix, secrets.token_hex(SECRET_BYTES))


def parse_key(text: str) -> KeyText | None:
    """Return the parts of `text`, or None when it does not have the form of a key."""
    match text.split("_"):
        case ["mlrd", prefix, secret] if len(prefix) == PREFIX_CHARS and secret:
            return KeyText(prefix, secret)
    return None


def hash_secret(secret: str) -> str:
    """Return the hash that is stored of a secret.

    Plain SHA-256: the secret is random, not a password, so a slow hash would protect nothing.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_matches(secret: str, stored_hash: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(hash_secret(secret), stored_hash)
