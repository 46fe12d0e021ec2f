"""The side navigation: which pages there are, in which order, and which one is open."""

from dataclasses import dataclass, replace

from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Entry:
    """One page. `group`: the heading it stands under. `short`: its label where there is no room."""

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


def entries(path: str) -> list[Entry]:
    """Return the pages that are there; `current` is the one `path` belongs to."""
    found = []
    for page in PAGES:
        try:
            href = reverse(page.name)
        except NoReverseMatch:  # a page that is not installed is not offered
            continue
        current = path == href or (href != "/" and path.startswith(href))
        found.append(replace(page, href=href, current=current))
    return found
