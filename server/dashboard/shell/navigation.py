"""Entries of the side navigation, in their order."""

from dataclasses import dataclass, replace

from django.urls import reverse


@dataclass(frozen=True)
class Entry:
    """One page. `group`: the heading it stands under. `short`: its label in a narrow window.

    `key`: leads to it when it is pressed after g.
    """

    name: str
    label: str
    icon: str
    key: str = ""
    group: str = ""
    short: str = ""
    href: str = ""
    current: bool = False


PAGES = (
    Entry("overview", "Overview", "layout-dashboard", "o", short="Home"),
    Entry("incident-list", "Incidents", "bell", "b", short="Alerts"),
    Entry("rule-list", "Rules", "settings", "u"),
    Entry("outbound", "Outbound", "mail-forward", "e", "Email", "Out"),
    Entry("inbound", "Inbound", "inbox", "i", "Email", "In"),
    Entry("queue", "Queue", "stack-2", "q", "Email"),
    Entry("replies", "Replies", "message-question", "r", "Email"),
    Entry("performance", "Performance", "gauge", "p", "Email", "Perf."),
    Entry("by", "Delivery", "network", "d", "Email"),
    Entry("nodes-list", "Nodes", "server-2", "n"),
    Entry("events", "Events", "list-search"),
    Entry("trace", "Trace", "search", "t"),
)


def build_entries(path: str) -> list[Entry]:
    """Return all pages; `current` is the one `path` belongs to."""
    entries = []
    for page in PAGES:
        href = reverse(page.name)
        current = path == href or (href != "/" and path.startswith(href))
        entries.append(replace(page, href=href, current=current))
    return entries
