"""Scheduler of the sender."""

from server.timescale.scheduler import ActorScheduler

SENT_EVERY_S = 5


class NotificationScheduler(ActorScheduler):
    """Sends the actor that looks for notifications that are due: new ones wake it at once, this is
    for those that wait, are tried again, or whose wake-up was lost."""

    name = "notifications"
    every_s = 5.0
    actor = "send_notifications"
    sent_every_s = SENT_EVERY_S
