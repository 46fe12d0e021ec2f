"""Nodes and the API keys bound to them."""

from datetime import datetime

from django.db import models, transaction

from server.nodes import keys

NODE_NAME_MAX = 64
#: Subjects of a change beside programs: the node itself, and its agent.
HOST, AGENT = "host", "agent"


class Node(models.Model):
    """A watched host. `name` is its agent's node_id and the mta_node of its events."""

    name = models.CharField(max_length=NODE_NAME_MAX, unique=True)
    hostname = models.CharField(max_length=255, blank=True)
    role = models.CharField(max_length=64, blank=True, help_text="Set by its agent.")
    addresses = models.JSONField(default=list, blank=True)
    agent_version = models.CharField(max_length=32, blank=True)
    versions = models.JSONField(default=dict, blank=True, help_text="Program name to version.")
    created_at = models.DateTimeField(auto_now_add=True)
    registered_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(
        null=True, blank=True, help_text="When the server last took a sample, by its own clock."
    )
    clock_ahead_ms = models.BigIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text="How far its clock was ahead then, which the server corrected; negative: behind.",
    )
    received_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the server last accepted anything of its agent, stored or not.",
    )
    in_maintenance = models.BooleanField(
        default=False, help_text="Silence is expected: pages show it without an alarm."
    )
    notes = models.TextField(blank=True, max_length=10_000, help_text="For your colleagues.")
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="Gone for good: left out of lists, its keys revoked."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def contact_at(self) -> datetime | None:
        """The last sign of life: accepted batches may wait to be stored."""
        return max(filter(None, (self.last_seen_at, self.received_at)), default=None)


class Change(models.Model):
    """A change of a node that explains its charts. Written by store alone.

    `subject`: a program by the name its agent uses, "host" for the node itself, or "agent".
    `at`: when it started, by the node's clock; when the other version was reported; or when the
    node last reported. `ended_at` is set for what lasts alone, a silence and a maintenance: when
    the node reported again, and when its maintenance ended.
    """

    class Kind(models.TextChoices):
        """Kind of change."""

        STARTED = "started", "started"
        VERSION = "version", "another version"
        SILENT = "silent", "silent"
        MAINTENANCE = "maintenance", "maintenance"

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="changes", db_index=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    subject = models.CharField(max_length=255)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    before = models.CharField(
        max_length=64, blank=True, help_text="Empty: the first version known, which is no change."
    )
    after = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["node", "kind", "subject", "at"], name="nodes_change_once"
            )
        ]
        indexes = [models.Index(fields=["at"], name="nodes_change_at")]

    def __str__(self) -> str:
        return f"{self.node_id} {self.subject} {self.kind} {self.at:%F %T}"


class ApiKey(models.Model):
    """A key, without its secret: that is shown once, when the key is made, and kept as a hash."""

    class Scope(models.TextChoices):
        """Permissions of a key."""

        AGENT = "agent", "agent: register, samples and events"
        WEBHOOK = "webhook", "webhook: events only"
        READ = "read", "read: the read API"

    #: Scopes that speak for nodes.
    WRITING = (Scope.AGENT, Scope.WEBHOOK)

    name = models.CharField(max_length=100, help_text="Who holds it.")
    prefix = models.CharField(max_length=keys.PREFIX_CHARS, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scope = models.CharField(max_length=16, choices=Scope.choices, default=Scope.AGENT)
    node = models.ForeignKey(
        Node,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="keys",
        help_text="The only node this key may speak for. Empty: any node.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Refused from then on. Set when the key is rotated."
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def rotate(self, *, old_works_until: datetime) -> str:
        """Issue a key like this one and let this one expire; return the new one's text."""
        with transaction.atomic():
            _, text = ApiKey.issue(name=self.name, scope=self.scope, node=self.node)
            self.expires_at = min(filter(None, (self.expires_at, old_works_until)))
            self.save(update_fields=["expires_at"])
        return text

    @classmethod
    def issue(cls, *, name: str, scope: str, node: Node | None = None) -> tuple["ApiKey", str]:
        """Store a new key; return it with the text to hand over, which cannot be shown again."""
        text = keys.new_key()
        key = cls.objects.create(
            name=name,
            scope=scope,
            node=node,
            prefix=text.prefix,
            secret_hash=keys.hash_secret(text.secret),
        )
        return key, str(text)
