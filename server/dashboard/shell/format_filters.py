"""{{ count|thousands }}: numbers in templates, written as server.formats writes them."""

from collections.abc import Callable
from typing import Any

from django import template

from server import formats

register = template.Library()


# Django gives a filter an empty text for what is missing.
def _filter(write: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: write(None if value == "" else value)


for _write in (formats.byte_size, formats.duration, formats.milliseconds, formats.thousands):
    register.filter(_write.__name__, _filter(_write))
