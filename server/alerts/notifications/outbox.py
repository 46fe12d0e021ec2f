"""Outbox: notifications claimed, sent, tried again, given up. The only writer of their deliveries.

A channel is claimed before its notifications are, for a while that is longer than any attempt: one
process at a time sends by it, in the order in which they were decided. A process that dies leaves
its claim to run out, and its notification is sent again with the same key.
"""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from server.alerts.models import OutboxNotification
from server.alerts.notifications.decisions import Draft
from server.alerts.notifications.models import Channel, DeliveryAttempt

Delivery, Kind = OutboxNotification.Delivery, OutboxNotification.Kind
#: Longer than MAX_TOTAL_S of http.py and the time limit of a mail: nobody still sends after it.
CLAIM = timedelta(seconds=60)
#: Waits between attempts; the last one again and again.
BACKOFF = tuple(timedelta(seconds=s) for s in (5, 15, 60, 300, 900))
#: Share of a wait by which it may be longer, so that channels do not try in step.
JITTER = 0.2
GIVE_UP_AFTER = timedelta(days=1)
#: Within this time more than a channel's `digest_over` notifications come as one.
DIGEST_SPAN = timedelta(minutes=1)
#: Notifications of one digest; more are a second one.
MAX_DIGEST = 500


@dataclass(frozen=True)
class Claimed:
    """A notification to send now, with those that come in the same message."""

    leader: OutboxNotification
    others: tuple[OutboxNotification, ...] = ()


def build_row(draft: Draft, now: datetime, **of: Any) -> OutboxNotification:
    """Return the row of a draft, due at once. `of`: its transition and incident, or their ids."""
    return OutboxNotification(**vars(draft), created_at=now, next_attempt_at=now, **of)


def add_rows(rows: Sequence[OutboxNotification]) -> None:
    """Store rows; one that is there already, by its key, stays as it is."""
    if rows:
        OutboxNotification.objects.bulk_create(rows, ignore_conflicts=True)


def list_due_channels(now: datetime) -> list[str]:
    """Return the names of channels for which something is due, or that are gone."""
    due = _due(now).values_list("channel", flat=True).distinct()
    return sorted(set(due.order_by("channel")))


def claim_channel(name: str, now: datetime) -> Channel | None:
    """Return the channel, marked as ours, if nobody sends by it. Of two who ask one gets it."""
    claim = secrets.token_hex(16)
    free = Q(claimed_until=None) | Q(claimed_until__lt=now) | Q(claimed_until__gt=now + 2 * CLAIM)
    taken = Channel.objects.filter(free, name=name).update(claimed_until=now + CLAIM, claim=claim)
    return Channel.objects.get(name=name) if taken else None


def renew_claim(channel: Channel, now: datetime) -> bool:
    """Return whether the channel is still ours, and if so for CLAIM from now."""
    ours = Channel.objects.filter(pk=channel.pk, claim=channel.claim)
    return bool(ours.update(claimed_until=now + CLAIM))


def release_channel(channel: Channel) -> None:
    """Let others send by it."""
    Channel.objects.filter(pk=channel.pk, claim=channel.claim).update(claimed_until=None, claim="")


def claim_next(channel: Channel, now: datetime, *, digests: bool) -> Claimed | None:
    """Return the next notification of a claimed channel, marked as being sent; None: none is due.

    `digests`: where more than `digest_over` go within a minute, those that are due wait until they
    are a minute old at most, and are sent as one. What is in a digest stays in it at each attempt.
    """
    with transaction.atomic():
        due = list(_due(now).filter(~Exists(_earlier()), channel=channel.name)[:MAX_DIGEST])
        if not due:
            return None
        leader, others = due[0], []
        if leader.attempts_count:
            others = list(_with_alerts(leader.digested.order_by("created_at", "pk")))
        elif digests and leader.kind != Kind.TEST:
            fresh = [each for each in due if not each.attempts_count and each.kind != Kind.TEST]
            lately = _count_sent_lately(channel, now)
            if lately + len(fresh) > channel.digest_over:
                if lately and now - leader.created_at < DIGEST_SPAN:
                    _move(fresh, next_attempt_at=leader.created_at + DIGEST_SPAN)
                    return None
                others = fresh[1:]
                _move(others, digest=leader)
        leader.state, leader.claimed_at = Delivery.SENDING, now
        leader.attempts_count += 1
        leader.save(update_fields=["state", "claimed_at", "attempts_count"])
    return Claimed(leader, tuple(others))


def mark_sent(claimed: Claimed, attempt: DeliveryAttempt) -> None:
    """Note that a notification arrived, and those with it; with what of it did not."""
    _finish(claimed, attempt, state=Delivery.SENT, sent_at=attempt.at, last_error=attempt.error)


def mark_failed(
    claimed: Claimed, attempt: DeliveryAttempt, *, retry_after_s: int | None = None
) -> None:
    """Note an attempt that failed: it waits for the next one, or is given up after a day."""
    leader = claimed.leader
    if attempt.at - leader.created_at >= GIVE_UP_AFTER:
        _finish(claimed, attempt, state=Delivery.GIVEN_UP, last_error=attempt.error)
        return
    wait = find_wait(leader.attempts_count, retry_after_s)
    _finish(
        claimed,
        attempt,
        state=Delivery.WAITING,
        next_attempt_at=attempt.at + wait,
        last_error=attempt.error,
    )


def give_up(channel: str, reason: str, now: datetime) -> int:
    """Give up whatever is due for a channel that is gone or switched off; return how many."""
    return (
        _due(now)
        .filter(channel=channel)
        .update(state=Delivery.GIVEN_UP, last_error=reason, claimed_at=None)
    )


def postpone(notification: OutboxNotification, until: datetime) -> None:
    """Let a notification wait, with no attempt counted."""
    notification.digested.update(next_attempt_at=until)
    OutboxNotification.objects.filter(pk=notification.pk).update(
        state=Delivery.WAITING,
        next_attempt_at=until,
        attempts_count=F("attempts_count") - 1,
        claimed_at=None,
    )


def find_wait(attempts: int, retry_after_s: int | None) -> timedelta:
    """Return how long to wait after so many attempts, at least as long as the service asks."""
    wait = BACKOFF[min(attempts, len(BACKOFF)) - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311
    return max(wait, timedelta(seconds=retry_after_s or 0))


def _due(now: datetime) -> QuerySet[OutboxNotification]:
    """Return what waits for now, and what somebody began to send and never ended."""
    is_left = Q(state=Delivery.SENDING, claimed_at__lt=now - CLAIM)
    is_due = Q(state=Delivery.WAITING, next_attempt_at__lte=now)
    due = OutboxNotification.objects.filter(is_due | is_left, digest=None)
    return _with_alerts(due.order_by("created_at", "pk"))


def _earlier() -> QuerySet[OutboxNotification]:
    """Return what must be sent before: the all-clear never overtakes the alarm."""
    return OutboxNotification.objects.filter(
        channel=OuterRef("channel"),
        transition__alert=OuterRef("transition__alert"),
        pk__lt=OuterRef("pk"),
        state__in=(Delivery.WAITING, Delivery.SENDING),
    )


def _with_alerts(
    notifications: QuerySet[OutboxNotification],
) -> QuerySet[OutboxNotification]:
    return notifications.select_related("transition__alert", "incident")


def _count_sent_lately(channel: Channel, now: datetime) -> int:
    return DeliveryAttempt.objects.filter(
        notification__channel=channel.name, at__gt=now - DIGEST_SPAN, error=""
    ).count()


def _move(notifications: Sequence[OutboxNotification], **values: object) -> None:
    ids = [each.pk for each in notifications]
    OutboxNotification.objects.filter(pk__in=ids).update(**values)


def _finish(claimed: Claimed, attempt: DeliveryAttempt, **values: object) -> None:
    with transaction.atomic():
        attempt.save()
        _move([claimed.leader, *claimed.others], claimed_at=None, **values)
