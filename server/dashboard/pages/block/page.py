"""Contents of the page of a block, and of the lists of blocks on other pages. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from server.alerts.blocks.models import Block
from server.alerts.blocks.wording import describe, describe_cause, show_sender
from server.dashboard.shell.lists.blocks import build_listed
from server.dashboard.shell.lists.links import events_href, profile_href
from server.dashboard.shell.lists.tables import Cell, Column, Table, number
from server.events.providers import find_by_name
from server.formats import UNKNOWN, percent, thousands

#: Kind of a block → the kind of the page of its subject, and the column of its events.
PROFILES = {"ip": ("ip", "sending_ip"), "domain": ("domain", "from_domain")}
TITLES = {
    "senders": "Whose mail is refused",
    "domains": "By sending domain",
    "ips": "By sending IP",
}
LABELS = {"senders": "Account", "domains": "Sending domain", "ips": "Sending IP"}


@dataclass(frozen=True)
class Fact:
    """One thing known of the block."""

    label: str
    text: str = ""
    href: str = ""
    at: datetime | None = None
    is_external: bool = False


def build_headline(block: Block) -> Mapping[str, Any]:
    listed = build_listed(block)
    return {"level": listed.level, "text": describe(block), "cause": describe_cause(block)}


def build_facts(block: Block, carried: Mapping[str, str]) -> list[Fact]:
    """Return what is known of it: who, when, how much, and where to ask for help."""
    facts = [Fact("provider", block.provider, profile_href("provider", block.provider, carried))]
    if block.subject:
        text, href = link_of(block.kind, block.subject, carried)
        facts.append(Fact(block.get_kind_display(), text, href))
    facts.append(Fact("first refused", at=block.started_at))
    if block.permanent_at and block.permanent_at > block.started_at:
        facts.append(Fact("refused for good since", at=block.permanent_at))
    facts += [Fact("found", at=block.found_at), Fact("last refused", at=block.refused_at)]
    if block.ended_at:
        facts.append(Fact(block.get_end_reason_display(), at=block.ended_at))
    refused = f"{thousands(block.refused_count)} refused, {thousands(block.taken_count)} taken"
    facts.append(Fact("messages at their first attempt", refused, events_link(block, carried)))
    about = find_by_name(block.provider)
    if about and about.postmaster_url:
        facts.append(
            Fact("its page for postmasters", about.postmaster_url, about.postmaster_url,
                 is_external=True)
        )  # fmt: skip
    return facts


def build_tables(block: Block, carried: Mapping[str, str]) -> list[Table]:
    return [
        *(_build_names(block, name, carried) for name in ("senders", "domains", "ips")),
        _build_replies(block, carried),
        _build_evidence(block),
    ]


def link_of(kind: str, name: str, carried: Mapping[str, str]) -> tuple[str, str]:
    """Return the name as people read it, and where its page is."""
    if kind in PROFILES:
        return name, profile_href(PROFILES[kind][0], name, carried)
    if name.startswith("@"):
        return show_sender(name), profile_href("domain", name.removeprefix("@"), carried)
    return name, profile_href("account", name, carried)


def events_link(block: Block, carried: Mapping[str, str], **more: str) -> str:
    """Return where the events of a block are listed."""
    end = block.ended_at or block.refused_at
    times = {"from": block.started_at.isoformat(), "to": end.isoformat()}
    kept = {k: v for k, v in carried.items() if k not in {"range", "from", "to"}}
    return events_href({**kept, **times}, provider=block.provider, **_filter(block), **more)


def _filter(block: Block) -> dict[str, str]:
    if block.kind in PROFILES:
        return {PROFILES[block.kind][1]: block.subject}
    if block.kind == "sender":
        name = block.subject
        return {"from_domain": name[1:]} if name.startswith("@") else {"auth_user": name}
    return {}


def _build_names(block: Block, name: str, carried: Mapping[str, str]) -> Table:
    kind = {"senders": "sender", "domains": "domain", "ips": "ip"}[name]
    rows = []
    for value, count in getattr(block, name):
        text, href = link_of(kind, value, carried)
        share = percent(count, block.refused_count)
        rows.append([Cell(text or UNKNOWN, href), number(count), Cell(share, sort=count)])
    columns = [Column(LABELS[name]), Column("Messages", is_number=True),
               Column("Share", is_number=True)]  # fmt: skip
    return Table(f"by-{name}", TITLES[name], columns, rows, "refused messages", "None.", width=4)


def _build_replies(block: Block, carried: Mapping[str, str]) -> Table:
    words = {each["fingerprint"]: each["reply"] for each in reversed(block.evidence)}
    rows = []
    for each in block.replies:
        name = each["fingerprint"]
        href = events_link(block, carried, reply_fingerprint=name)
        rows.append(
            [
                Cell(words.get(name, "") or name, is_reply=True),
                Cell(each["bounce_class"]),
                Cell("for good" if each["permanent"] else "for now"),
                number(each["count"], href),
            ]
        )
    columns = [Column("Reply"), Column("Class"), Column("Refused"),
               Column("Messages", is_number=True)]  # fmt: skip
    return Table("replies", "What was replied", columns, rows, "", "No reply is known.")


def _build_evidence(block: Block) -> Table:
    rows = [
        [
            Cell(at=datetime.fromisoformat(each["occurred_at"]), sort=each["occurred_at"]),
            Cell(show_sender(each["sender"]) or UNKNOWN),
            Cell(each["ip"] or UNKNOWN),
            Cell(each["reply"] or "no reply is known", is_reply=bool(each["reply"])),
            Cell("the event", reverse("event", args=[each["event_id"]])),
        ]
        for each in block.evidence
    ]
    columns = [Column("Time"), Column("Account"), Column("Sending IP"), Column("Reply"), Column("")]
    return Table("evidence", "First refused messages", columns, rows, "", "None is stored.")
