"""Objects loaded at the start of the web process are exempt from garbage collection."""

import gc

from django.urls import get_resolver

from server.config.gc_freeze import freeze_startup_objects


def test_what_is_loaded_is_left_alone_by_the_garbage_collector():
    before = gc.get_freeze_count()
    try:
        freeze_startup_objects()

        assert gc.get_freeze_count() > before + len(get_resolver().url_patterns)
        assert not any(type(each).__name__ == "URLResolver" for each in gc.get_objects())
    finally:
        gc.unfreeze()
