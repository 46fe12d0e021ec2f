"""Channels as people edit them: the only writer of their fields. Secrets are never read back."""

import secrets
from collections.abc import Mapping
from datetime import datetime

from server.alerts.models import OutboxNotification
from server.alerts.notifications.channels import KINDS
from server.alerts.notifications.channels.kind import BadField
from server.alerts.notifications.decisions import Draft
from server.alerts.notifications.models import Channel
from server.alerts.notifications.outbox import build_row
from server.alerts.notifications.secrets import LostSecret, decrypt, encrypt


def save_channel(
    channel: Channel, values: Mapping[str, str], *, name: str | None = None
) -> Channel:
    """Store a channel with its fields. Raises BadField."""
    channel.name = channel.name if name is None else name
    put_values(channel, values)
    channel.save()
    return channel


def put_values(channel: Channel, values: Mapping[str, str]) -> None:
    """Give a channel its fields, not stored yet. A secret left empty stays. Raises BadField."""
    kind = KINDS.get(channel.kind)
    if kind is None:
        raise BadField(f"kind: use one of {', '.join(KINDS)}")
    kept = _read_secrets(channel)
    given = {key: value for key, value in values.items() if value or key not in kept}
    checked = kind.check({**{key: kept[key] for key in kept if key not in given}, **given})
    channel.values = {key: value for key, value in checked.items() if key not in kind.secrets}
    channel.secrets = encrypt({key: checked[key] for key in kind.secrets})


def list_secrets(channel: Channel) -> frozenset[str]:
    """Return the names of the secrets that are set."""
    return frozenset(name for name, value in _read_secrets(channel).items() if value)


def send_test(channel: Channel, now: datetime) -> OutboxNotification:
    """Put a test into the outbox, which goes the same way as the real thing."""
    draft = Draft(OutboxNotification.Kind.TEST, "", channel.name, secrets.token_hex(16))
    row = build_row(draft, now)
    row.save()
    return row


def _read_secrets(channel: Channel) -> dict[str, str]:
    try:
        return decrypt(channel.secrets)
    except LostSecret:
        return {}  # they have to be entered again, and the form says so
