"""Dramatiq actors of notifications: each drains a channel, or plans what is sent later."""

import dramatiq
from django.utils import timezone

from server.alerts.notifications import outbox, planning, sender, watchdog

#: A drain takes MAX_DRAIN_S and one attempt more.
TIME_LIMIT_MS = 120_000
QUEUE = "notifications"


@dramatiq.actor(queue_name=QUEUE, max_retries=0, time_limit=TIME_LIMIT_MS)
def send_notifications() -> None:
    """Plan what is due, and wake the sender of each channel. Safe to run twice."""
    now = timezone.now()
    planning.plan_notifications(now)
    for name in outbox.list_due_channels(now):
        send_by_channel.send(name)


@dramatiq.actor(queue_name=QUEUE, max_retries=0, time_limit=TIME_LIMIT_MS)
def send_by_channel(name: str) -> None:
    """Send what is due for one channel. Safe to run twice: one of two finds it claimed."""
    if sender.drain(name):
        send_by_channel.send(name)


@dramatiq.actor(queue_name=QUEUE, max_retries=0, time_limit=TIME_LIMIT_MS)
def ping_watchdog(signal: str) -> None:
    """Tell the dead man's switch that a round succeeded or failed, if there is one."""
    watchdog.ping(signal)
