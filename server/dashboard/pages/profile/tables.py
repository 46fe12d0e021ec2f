"""Tables of a profile: replies, pairs, the parts of its refusals, what waits. Pure."""

from collections.abc import Mapping

from server.dashboard.shell.lists.links import column_href, events_href, profile_href
from server.dashboard.shell.lists.tables import Cell, Column, Table, moment, number
from server.formats import UNKNOWN, percent, thousands
from server.profiles import kinds
from server.profiles.kinds import BY_COLUMN, show_name
from server.profiles.outcomes import Outcomes
from server.profiles.pairs import MAX_COUNTED, find_other
from server.profiles.profile import Profile
from server.profiles.refusals import PARTS, Refusals

Carried = Mapping[str, str]

#: Values of a part that are listed; of replies, which say why, all that were read.
MAX_LISTED = 10
#: Part of the refusals → heading of its table and of its first column.
TITLES = {
    "classes": ("Refusals by class", "Class"),
    "providers": ("Refusals by provider", "Provider"),
    "destinations": ("Refusals by destination", "Destination"),
    "ips": ("Refusals by sending IP", "Sending IP"),
    "domains": ("Refusals by sending domain", "Sending domain"),
    "accounts": ("Refusals by account", "Account"),
    "nodes": ("Refusals by node", "Node"),
    "mx_hosts": ("Refusals by MX host", "MX host"),
}
#: Kind → the parts that are shown, in their order. Classes tell why, the others by whom and where.
SHOWN_PARTS = {
    "provider": ("classes", "destinations", "domains", "accounts", "nodes", "mx_hosts"),
    "destination": ("classes", "ips", "domains", "accounts", "nodes", "mx_hosts"),
    "ip": ("classes", "destinations", "domains", "accounts", "nodes"),
    "domain": ("classes", "providers", "accounts", "destinations", "ips", "nodes"),
    "account": ("classes", "providers", "domains", "destinations", "ips", "nodes"),
}


def build_replies(profile: Profile, carried: Carried) -> Table:
    part = profile.refusals["replies"]
    mine = {profile.kind.column: profile.name}
    rows = [
        [
            Cell(each.reply, is_reply=True) if each.reply else Cell("no reply is known"),
            Cell(each.bounce_class or UNKNOWN),
            number(
                each.count,
                events_href(carried, reply_fingerprint=each.value, **mine) if each.value else "",
            ),
            moment(each.first_at),
            moment(each.last_at),
        ]
        for each in part.values
    ]
    columns = [
        Column("Reply"),
        Column("Class"),
        Column("Refusals", is_number=True),
        Column("First seen"),
        Column("Last seen"),
    ]
    note = _describe(profile.refusals)
    more = part.values_count - len(part.values)
    note += (
        f"; the {len(part.values)} most frequent of {thousands(part.values_count)}"
        if more > 0
        else ""
    )
    return Table(
        "replies", "What was replied", columns, rows, note, "Nothing was refused in this range."
    )


def build_pairs(profile: Profile, carried: Carried) -> Table | None:
    """Return outcomes by IP of a provider, by provider of an IP; None of the others."""
    other = find_other(profile.kind)
    if other is None:
        return None
    mine = {profile.kind.column: profile.name}
    rows = []
    for name, outcomes in sorted(
        profile.pairs.items(), key=lambda item: (-item[1].attempts, item[0])
    ):
        theirs = mine | {other.column: name}
        rows.append(
            [
                Cell(name, profile_href(other.key, name, carried)),
                *_outcome_cells(outcomes, theirs, carried),
            ]
        )
    title = f"By {other.label}"
    is_cut = len(rows) >= MAX_COUNTED
    note = "all attempts of the range" + ", of those with most" * is_cut
    return Table(
        "pairs",
        title,
        [Column(other.title), *OUTCOME_COLUMNS],
        rows,
        note,
        "No attempt in this range.",
    )


OUTCOME_COLUMNS = [
    Column("Attempts", is_number=True),
    Column("Delivered", is_number=True),
    Column("Deferred", is_number=True),
    Column("Bounced", is_number=True),
    Column("Refused", is_number=True, explained="deferred and bounced, of the attempts"),
]


def _outcome_cells(outcomes: Outcomes, filters: Mapping[str, str], carried: Carried) -> list[Cell]:
    counts = [number(outcomes.attempts, events_href(carried, **filters))]
    counts += [
        number(outcomes[kind], events_href(carried, type=kind, **filters))
        for kind in ("delivered", "deferred", "bounced")
    ]
    ratio = outcomes.refused / outcomes.attempts if outcomes.attempts else -1
    return [*counts, Cell(percent(outcomes.refused, outcomes.attempts), sort=ratio)]


def build_parts(profile: Profile, carried: Carried) -> list[Table]:
    """Return the parts of the refusals; none without any: the replies' table says so."""
    if not profile.refusals.count:
        return []
    return [_build_part(profile, part, carried) for part in SHOWN_PARTS[profile.kind.key]]


def _build_part(profile: Profile, part: str, carried: Carried) -> Table:
    title, label = TITLES[part]
    listed, column = profile.refusals[part], PARTS[part]
    kind = BY_COLUMN.get(column)
    mine = {profile.kind.column: profile.name}
    rows = []
    for each in listed.values[:MAX_LISTED]:
        shown = show_name(kind, each.value) if kind else each.value
        name = Cell(shown or UNKNOWN, column_href(column, each.value, carried))
        href = events_href(carried, **(mine | {column: each.value})) if each.value else ""
        share = percent(each.count, profile.refusals.count)
        rows.append(
            [
                name,
                number(each.count, href),
                Cell(share, sort=each.count),
                moment(each.first_at),
                moment(each.last_at),
            ]
        )
    more = listed.values_count - len(rows)
    note = _describe(profile.refusals) + (f"; {thousands(more)} more" if more > 0 else "")
    columns = [
        Column(label),
        Column("Refusals", is_number=True),
        Column("Share", is_number=True),
        Column("First"),
        Column("Last"),
    ]
    return Table(
        f"by-{part.replace('_', '-')}",
        title,
        columns,
        rows,
        note,
        "Nothing was refused in this range.",
        width=6,
    )


def build_waiting(profile: Profile, carried: Carried) -> Table | None:
    """Return what waits for a destination or provider; None of the others."""
    waiting = profile.waiting
    if not profile.kind.is_peer:
        return None
    columns = [
        Column("Destination"),
        Column("Recipients waiting", is_number=True),
        Column("Over an hour", is_number=True),
    ]
    if waiting is None:
        return Table(
            "waiting", "What waits", columns, [], "", "No mail queue with destinations was read."
        )
    rows = [
        [
            Cell(
                show_name(kinds.DESTINATION, each.domain),
                profile_href("destination", each.domain, carried),
            ),
            number(each.count),
            number(each.old_count),
        ]
        for each in waiting.domains
    ]
    if waiting.is_complete:
        empty = "Nothing waits."
    else:
        empty = "Nothing waits that the readings name; they name the largest destinations alone."
    note = f"{thousands(waiting.count)} recipients"
    if profile.kind is kinds.PROVIDER:
        note += " of the domains it refused in this range"
    return Table("waiting", "What waits", columns, rows, note if rows else "", empty)


def node_href(node: str, carried: Carried) -> str:
    return column_href("mta_node", node, carried)


def _describe(refusals: Refusals) -> str:
    if not refusals.count:
        return ""
    newest = "the newest " if refusals.is_cut else ""
    return f"of {newest}{thousands(refusals.count)} refusal{'s' * (refusals.count != 1)}"
