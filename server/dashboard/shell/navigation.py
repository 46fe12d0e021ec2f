"""Entries of the side navigation, in their order."""

from dataclasses import dataclass, replace

from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Entry:
    """One page. `group`: the heading it stands under. `short`: its label in a narrow window."""

    name: str
    label: str
    icon: str
    group: str = ""
    short: str = ""
    href: str = ""
    current: bool = False


PAGES = (
    Entry("overview", "Overview", "layout-dashboard"),
    Entry("outbound", "Outbound", "mail-forward", "Email"),
    Entry("inbound", "Inbound", "inbox", "Email"),
    Entry("queue", "Queue", "stack-2", "Email"),
    Entry("performance", "Performance", "gauge", "Email", "Perf."),
    Entry("nodes-list", "Nodes", "server-2"),
    Entry("events", "Events", "list-search"),
)


def build_entries(path: str) -> list[Entry]:
    """Return the pages that are there; `current` is the one `path` belongs to."""
    entries = []
    for page in PAGES:
        try:
            href = reverse(page.name)
        except NoReverseMatch:  # a page that is not installed is not offered
            continue
        current = path == href or (href != "/" and path.startswith(href))
        entries.append(replace(page, href=href, current=current))
    return entries
