"""Links to the page of a thing, and to the events behind a number; `{% profile_link %}`. Pure.

Names come from outside: as query parameters, so that a slash, a blank or an @ is nothing special.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from server.formats import UNKNOWN
from server.profiles.kinds import BY_COLUMN, KINDS, show_name
from server.rollups.levels import OTHER

register = template.Library()


def profile_href(kind: str, name: str, carried: Mapping[str, str] | str = "") -> str:
    """Return where the profile of a name is; empty for what has none."""
    if not name or name == OTHER:
        return ""
    return f"{_path(f'{kind}-page')}?{_join(urlencode({'name': name}), carried)}"


def column_href(column: str, value: Any, carried: Mapping[str, str] | str = "") -> str:
    """Return where the page of the thing is that a column of an event names; empty: it has none."""
    if not value:
        return ""
    if column == "mta_node":
        return f"{reverse('node-page', args=[value])}?{_join('', carried)}".rstrip("?")
    kind = BY_COLUMN.get(column)
    return profile_href(kind.key, str(value), carried) if kind else ""


def events_href(carried: Mapping[str, str] | str = "", **filters: str | None) -> str:
    """Return where the outbound events with these values are listed."""
    named = {"direction": "outbound"} | {k: v for k, v in filters.items() if v}
    return f"{_path('events')}?{_join(urlencode(named), carried)}"


def trace_href(identifier: Any, carried: Mapping[str, str] | str = "") -> str:
    """Return where the story of a message is; empty without an id."""
    if not identifier:
        return ""
    return f"{_path('trace')}?{_join(urlencode({'id': identifier}), carried)}"


@register.simple_tag
def profile_link(kind: str, name: str, carried: str = "") -> SafeString:
    """Return the name as a link to its page, isolated from the text around it."""
    href = profile_href(kind, name, carried)
    shown = show_name(KINDS[kind], name) if name else UNKNOWN
    if not href:
        return format_html("<bdi>{}</bdi>", shown)
    return format_html('<a href="{}"><bdi>{}</bdi></a>', href, shown)


@cache
def _path(name: str) -> str:
    """Return the path of a page: a list has hundreds of links to the same few."""
    return reverse(name)


def _join(query: str, carried: Mapping[str, str] | str) -> str:
    more = carried if isinstance(carried, str) else urlencode(carried)
    return "&".join(filter(None, (query, more)))
