"""The side navigation: which pages there are, in which order, and which one is open."""

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Entry:
    """One page. `group`: the heading it stands under, empty for none."""

    name: str
    label: str
    icon: str
    group: str = ""
    href: str = ""
    current: bool = False


PAGES = (
    Entry("overview", "Overview", "layout-dashboard"),
    Entry("outbound", "Outbound", "mail-forward", "Email"),
    Entry("inbound", "Inbound", "inbox", "Email"),
    Entry("queue", "Queue", "stack-2", "Email"),
    Entry("performance", "Performance", "gauge", "Email"),
    Entry("nodes-list", "Nodes", "server-2"),
    Entry("events", "Events", "list-search"),
)


def entries(path: str) -> list[Entry]:
    """Return the pages that are there; `current` is the one `path` belongs to."""
    found = []
    for page in PAGES:
        try:
            href = reverse(page.name)
        except NoReverseMatch:  # a page that is not installed is not offered
            continue
        current = path == href or (href != "/" and path.startswith(href))
        found.append(Entry(page.name, page.label, page.icon, page.group, href, current))
    return found
