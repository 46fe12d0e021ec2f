"""Thread of each worker process that keeps the table of sending IPs current."""

from django.utils import timezone
from dramatiq import Broker

from server.profiles.sending_ips import refresh
from server.worker_threads import PeriodicThread


class SendingIpsRefresher(PeriodicThread):
    """Adds new addresses once a minute; of several processes one at a time."""

    name = "sending-ips"
    every_s = 60.0

    def work(self, broker: Broker) -> None:
        """Look at what was sent since the last time."""
        refresh(timezone.now())
