"""Garbage collection of a web process: objects made at startup are never looked through again."""

import gc

from django.urls import get_resolver


def freeze_startup_objects() -> None:
    """Load every view, then exempt all existing objects from garbage collection.

    Django and the views are some 120 000 objects that are never garbage. Looking through them
    delayed every thirteenth large answer by 40 to 60 ms (docs/performance.md).
    """
    get_resolver().url_patterns  # noqa: B018 (imports on first access)
    gc.collect()
    gc.freeze()
