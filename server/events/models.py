"""Classes of replies that a person assigned. Events themselves have no model."""

from django.db import models

from server.events.bounce_classes.classes import CLASSES
from server.events.replies import fingerprint, normalize

#: What a person may assign: `unknown` is of no reply.
ASSIGNABLE = tuple(name for name in CLASSES if name != "unknown")
MAX_EXAMPLE_CHARS = 500


class ReplyClass(models.Model):
    """The class of one text of remote servers, whatever the rules say of it."""

    fingerprint = models.CharField(
        max_length=16, primary_key=True, editable=False, help_text="Of the example; made by itself."
    )
    example = models.CharField(
        max_length=MAX_EXAMPLE_CHARS, help_text="A reply, as a remote server sent it."
    )
    bounce_class = models.CharField(
        "class",
        max_length=16,
        choices=[(name, name) for name in ASSIGNABLE],
        help_text="docs/replies.md defines each.",
    )
    assigned_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "reply_classes"
        verbose_name = "class of a reply"
        verbose_name_plural = "classes of replies"

    def __str__(self) -> str:
        return f"{self.bounce_class}: {self.text}"

    def save(self, *args: object, **kwargs: object) -> None:
        """Name the text by its example."""
        self.fingerprint = fingerprint(self.example)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The example without what differs from message to message."""
        return normalize(self.example)
