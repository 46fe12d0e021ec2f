"""A page as the server paints it, read by the names of its parts."""

import html
import re
from functools import cached_property

from django.utils.html import strip_tags

CELL = r"<t[hd]\b[^>]*>(.*?)</t[hd]>"


class Page:
    """The HTML of one page. `source` is as it was sent; everything else is unescaped."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __contains__(self, part: str) -> bool:
        """Return whether the page has this markup or text, unescaped."""
        return part in self.markup

    @cached_property
    def markup(self) -> str:
        """The HTML, unescaped and with single spaces."""
        return _plain(self.source)

    @cached_property
    def text(self) -> str:
        """What a reader sees, without tags."""
        return _plain(strip_tags(self.source))

    @property
    def sentence(self) -> str:
        """The sentence at the top."""
        return strip_tags(_between(self.source, 'data-part="verdict-text">', "</p>"))

    def tile(self, name: str) -> tuple[str, str]:
        """Return number and note of a tile of the overview."""
        part = _between(self.source, f'data-tile="{name}"', "</section>")
        return _first(r"data-text>([^<]*)<", part), _first(r"data-note>([^<]*)<", part)

    def counter(self, name: str) -> tuple[str, str | None]:
        """Return number and percentage of a counter of outcomes."""
        part = _between(self.source, f'data-counter="{name}"', "</div>")
        share = re.search(r"data-share>([^<]*)<", part)
        return _first(r"data-value>([^<]*)<", part), share and share[1]

    def names(self) -> list[str]:
        """Return the names in the first cells of a table of nodes."""
        return re.findall(r'<th scope="row" class="name"><a href="[^"]*">([^<]*)</a>', self.markup)

    def statuses(self) -> list[tuple[str, bool]]:
        """Return the status of each node in the table, and whether it is stale."""
        rows = re.findall(r'<tr data-status="(\w+)"( data-stale)?>', self.markup)
        return [(status, bool(stale)) for status, stale in rows]

    def rows(self) -> list[list[str]]:
        """Return what a reader sees in the cells of each row, of all tables."""
        bodies = "".join(re.findall(r"<tbody>(.*?)</tbody>", self.source, re.DOTALL))
        return [
            [_plain(strip_tags(cell)).strip() for cell in re.findall(CELL, row, re.DOTALL)]
            for row in re.findall(r"<tr\b[^>]*>(.*?)</tr>", bodies, re.DOTALL)
        ]

    def replies(self) -> list[str]:
        """Return the replies of remote servers, verbatim."""
        return re.findall(r"<summary><code>([^<]*)</code>", self.markup)

    def event_count(self) -> int:
        """Return how many events the table lists."""
        return len(re.findall(r'<td class="when">', self.markup))

    def scripts(self) -> list[str]:
        """Return the attributes of each script."""
        return re.findall(r"<script([^>]*)>", self.source)

    def inline_handlers(self) -> list[str]:
        """Return the attributes that would run code."""
        return re.findall(r"\son[a-z]+=", self.source)

    def links(self, **attributes: str) -> list[str]:
        """Return the addresses of links with these attributes; `_` stands for `-`."""
        wanted = [f'{name.replace("_", "-")}="{value}"' for name, value in attributes.items()]
        return [
            html.unescape(_first(r'href="([^"]*)"', tag))
            for tag in re.findall(r"<a\s[^>]*>", self.source)
            if "href=" in tag and all(attribute in tag for attribute in wanted)
        ]

    def is_hidden(self, part: str) -> bool:
        """Return whether a part of the page is hidden."""
        return re.search(rf'data-part="{part}" hidden', self.source) is not None


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", text))


def _between(text: str, start: str, end: str) -> str:
    return text.split(start, 1)[1].split(end, 1)[0]


def _first(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, pattern
    return match[1]
