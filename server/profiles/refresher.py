"""Threads of each worker process that keep the tables of sending IPs and account names current."""

from django.utils import timezone
from dramatiq import Broker

from server.profiles import accounts, sending_ips
from server.worker_threads import PeriodicThread


class SendingIpsRefresher(PeriodicThread):
    """Adds new addresses once a minute; of several processes one at a time."""

    name = "sending-ips"
    every_s = 60.0

    def work(self, broker: Broker) -> None:
        """Look at what was sent since the last time."""
        sending_ips.refresh(timezone.now())


class AccountNamesRefresher(PeriodicThread):
    """Adds new names once a minute; of several processes one at a time."""

    name = "account-names"
    every_s = 60.0

    def work(self, broker: Broker) -> None:
        """Look at what was stored since the last time."""
        accounts.refresh(timezone.now())
