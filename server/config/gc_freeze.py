"""What a process of the server does once it has loaded all it needs and before it answers."""

import gc

from django.urls import get_resolver


def settle() -> None:
    """Load every view, then let the garbage collector leave alone all that is there by now.

    Django and the views are some 120 000 objects that are never garbage. Looking through them held
    up every thirteenth large answer for 40 to 60 ms (docs/performance.md).
    """
    get_resolver().url_patterns  # noqa: B018 (imported when first asked for)
    gc.collect()
    gc.freeze()
