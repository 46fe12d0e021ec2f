"""Searches that a person keeps: a bounded number, each in the audit log."""

from django.contrib.admin.models import ADDITION, CHANGE, DELETION
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest

from server.accounts.audit import note
from server.accounts.models import MAX_NAME_CHARS, MAX_QUERY_CHARS, SavedSearch

MAX_SEARCHES = 30


def keep(request: HttpRequest, name: str, query: str) -> None:
    """Keep a search of the person of `request`; one of the same name is replaced.

    Raises ValueError with what is wrong.
    """
    name = " ".join(name.replace("\0", "").split())
    if not name or len(name) > MAX_NAME_CHARS:
        raise ValueError(f"Give it a name of 1 to {MAX_NAME_CHARS} characters.")
    if not query or len(query) > MAX_QUERY_CHARS:
        raise ValueError("Choose a filter first; or it is too long to be kept.")
    with transaction.atomic():
        # Two requests of one person follow each other: together they would pass the bound.
        user = get_user_model().objects.select_for_update().get(pk=int(request.user.pk or 0))
        others = SavedSearch.objects.filter(user=user).exclude(name=name)
        if others.count() >= MAX_SEARCHES:
            raise ValueError(f"You keep {MAX_SEARCHES} searches: delete one first.")
        row, is_new = SavedSearch.objects.update_or_create(
            user=user, name=name, defaults={"query": query}
        )
        note(request, row, f"Kept the search {query}", flag=ADDITION if is_new else CHANGE)


def forget(request: HttpRequest, pk: int) -> None:
    """Delete a search of the person of `request`; one that is not theirs is left alone."""
    with transaction.atomic():
        row = SavedSearch.objects.filter(user_id=int(request.user.pk or 0), pk=pk).first()
        if row:
            note(request, row, f"Deleted the search {row.query}", flag=DELETION)
            row.delete()
