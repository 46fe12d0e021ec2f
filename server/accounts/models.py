"""Searches that people keep. People themselves are Django's, roles its groups."""

from django.conf import settings
from django.db import models

MAX_NAME_CHARS, MAX_QUERY_CHARS = 60, 2_000


class SavedSearch(models.Model):
    """A search for events under a name of one person. `query`: the query string of the page."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_searches"
    )
    name = models.CharField(max_length=MAX_NAME_CHARS)
    query = models.CharField(max_length=MAX_QUERY_CHARS)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "accounts_saved_search"
        ordering = ["name"]
        verbose_name_plural = "saved searches"
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="accounts_saved_search_once")
        ]

    def __str__(self) -> str:
        return self.name
