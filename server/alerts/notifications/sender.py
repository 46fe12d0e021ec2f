"""Sender: what is due for a channel, one message after the other. I/O at the rim of the outbox."""

import logging
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from django.utils import timezone

from server.alerts.models import OutboxNotification, Severity
from server.alerts.notifications import outbox, smtp
from server.alerts.notifications.addresses import read_networks
from server.alerts.notifications.channels import KINDS
from server.alerts.notifications.channels.kind import ChannelKind
from server.alerts.notifications.content import build_message
from server.alerts.notifications.http import SendError, send
from server.alerts.notifications.messages import Message
from server.alerts.notifications.models import Channel, DeliveryAttempt, NotificationRoute
from server.alerts.notifications.routes.preview import find_held_until
from server.alerts.notifications.secrets import decrypt

logger = logging.getLogger(__name__)

#: After so long a drain leaves the rest to the next one, which other channels may then go before.
MAX_DRAIN_S = 30.0


def drain(name: str, now: Callable[[], datetime] = timezone.now) -> bool:
    """Send what is due for a channel; return whether more is. Safe to run twice, also at once."""
    channel = outbox.claim_channel(name, now())
    if channel is None:
        if not Channel.objects.filter(name=name).exists():
            outbox.give_up(name, f"there is no channel {name} any more", now())
        return False
    began = monotonic()
    try:
        if not channel.is_enabled:
            outbox.give_up(name, "the channel is switched off", now())
            return False
        kind = KINDS[channel.kind]
        while monotonic() - began < MAX_DRAIN_S and outbox.renew_claim(channel, now()):
            claimed = outbox.claim_next(channel, now(), digests=kind.digests)
            if claimed is None:
                return False
            _deliver(channel, kind, claimed, now)
        return True
    finally:
        outbox.release_channel(channel)


def _deliver(
    channel: Channel, kind: ChannelKind, claimed: outbox.Claimed, now: Callable[[], datetime]
) -> None:
    """Attempt a notification once, and note how it went."""
    until = None if claimed.others else _find_quiet_end(claimed.leader, now())
    if until is not None:
        outbox.postpone(claimed.leader, until)
        return
    attempt = DeliveryAttempt(notification=claimed.leader, at=now())
    began, failure = monotonic(), None
    try:
        message = build_message(claimed.leader, claimed.others)
        attempt.status, attempt.error = _send(channel, kind, message)
    except SendError as error:
        failure = error
    except Exception as error:
        # A message that cannot be made must not stop those behind it.
        logger.exception("Notification %s could not be made", claimed.leader.pk)
        failure = SendError(f"not sent: {type(error).__name__}")
    attempt.duration_ms = round((monotonic() - began) * 1_000)
    if failure is None:
        outbox.mark_sent(claimed, attempt)
        return
    attempt.status, attempt.error = failure.status, str(failure)
    logger.warning("Notification %s by %s: %s", claimed.leader.pk, channel.name, failure)
    outbox.mark_failed(claimed, attempt, retry_after_s=failure.retry_after_s)


def _send(channel: Channel, kind: ChannelKind, message: Message) -> tuple[int | None, str]:
    """Return HTTP's status, None of mail, and what of it did not arrive. Raises SendError."""
    secrets = decrypt(channel.secrets)
    values = {each.name: each.default for each in kind.fields} | channel.values | secrets
    try:
        if kind.build is None:
            return None, smtp.send(message, values)
        reply = send(kind.build(message, values), read_networks())
        if error := kind.read_error(reply.body):
            raise SendError(error, status=reply.status)
    except SendError as error:
        raise error.without(secrets.values()) from None
    return reply.status, ""


def _find_quiet_end(notification: OutboxNotification, now: datetime) -> datetime | None:
    """Return until when a notification has to wait; None where it must not."""
    flip = notification.transition
    if flip is None or flip.alert.severity == Severity.CRITICAL:
        return None
    route = NotificationRoute.objects.filter(name=notification.route).first()
    if route is None:
        return None
    return find_held_until(route, now)
