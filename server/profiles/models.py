"""Sending IPs and names of accounts that were ever seen, kept current by sending_ips.py and
accounts.py."""

from django.db import models


class SendingIp(models.Model):
    """One local address that mail was sent from. Times are of its attempts.

    `node`, `zone`: those of its newest attempt that was looked at; empty: not known.
    """

    ip = models.GenericIPAddressField(primary_key=True)
    node = models.TextField(default="", db_default="")
    zone = models.TextField(default="", db_default="")
    first_used_at = models.DateTimeField()
    last_used_at = models.DateTimeField()

    class Meta:
        db_table = "sending_ips"
        indexes = [models.Index(fields=["node"], name="sending_ips_node")]

    def __str__(self) -> str:
        return self.ip


class AccountName(models.Model):
    """One name or address of an account, beside WildDuck's id of it."""

    pk = models.CompositePrimaryKey("account", "name")
    account = models.TextField()
    name = models.TextField(db_index=True)
    last_seen_at = models.DateTimeField()

    class Meta:
        db_table = "account_names"

    def __str__(self) -> str:
        return f"{self.account}: {self.name}"
