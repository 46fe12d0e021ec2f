"""Contents of the page of a profile: one sentence, numbers, tables, words to copy. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.dashboard.pages.profile import tables
from server.dashboard.shell.lists.links import events_href, profile_href
from server.dashboard.shell.lists.tables import Table
from server.formats import UNKNOWN, change, milliseconds, percent, thousands
from server.profiles import kinds
from server.profiles.course import WORSE_RATIO, Worse
from server.profiles.kinds import show_name
from server.profiles.outcomes import Outcomes, shift_before
from server.profiles.profile import Profile
from server.rollups.plan import DAY

#: From this share of refusals on hardly anything gets through.
CRITICAL_RATIO = 0.9
#: What was tried last so long ago says how it was, not how it is.
RECENT = timedelta(hours=1)


@dataclass(frozen=True)
class Headline:
    """The first sentence: `text`, and since when where it got worse; `last_at`: when mail was tried
    last, where that is long ago."""

    level: str
    text: str
    since: datetime | None = None
    is_day: bool = False
    last_at: datetime | None = None
    more: str = ""


@dataclass(frozen=True)
class Tile:
    """One number, and where the events behind it are. `note`: what it was before."""

    key: str
    label: str
    text: str
    href: str = ""
    note: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Fact:
    """One thing known of the name itself."""

    label: str
    text: str = ""
    href: str = ""
    at: datetime | None = None
    is_external: bool = False


def build_headline(profile: Profile, now: datetime) -> Headline:
    name = show_name(profile.kind, profile.name)
    worse, outcomes = profile.worse, profile.outcomes
    if worse:
        return _describe_worse(worse, name, now, is_peer=profile.kind.is_peer)
    if outcomes.attempts:
        share = percent(outcomes["delivered"], outcomes.attempts)
        verb = "takes its mail" if profile.kind.is_peer else "delivers"
        # What is over, and was worse than it may be, is no all-clear.
        level = "ok" if outcomes.refused < WORSE_RATIO * outcomes.attempts else "none"
        return Headline(
            level, f"{name} {verb}: {share} of {thousands(outcomes.attempts)} attempts delivered"
        )
    if outcomes.events.total() or profile.refusals.count:
        return Headline("none", f"No attempt to deliver mail of {name} in this range")
    if profile.is_known:
        return Headline("none", f"No mail in this range; {name} had some in the last 30 days")
    return Headline(
        "none", f"Nothing is known of {name}: no mail in this range or in the last 30 days"
    )


def _describe_worse(worse: Worse, name: str, now: datetime, *, is_peer: bool) -> Headline:
    share = percent(worse.refused, worse.attempts)
    is_recent = now - worse.last_at < RECENT
    if is_peer:
        verb, is_offered = ("refuses", "is") if is_recent else ("refused", "was")
        text = f"{name} {verb} {share} of what it {is_offered} offered"
    else:
        text = f"{share} of the mail of {name} {'is' if is_recent else 'was'} refused"
    return Headline(
        "critical" if worse.refused >= CRITICAL_RATIO * worse.attempts else "warning",
        text,
        worse.since,
        worse.is_day,
        None if is_recent else worse.last_at,
        f"{worse.usual_ratio * 100:.1f} % as a rule" if worse.usual_ratio else "",
    )


def build_tiles(profile: Profile, carried: Mapping[str, str]) -> list[Tile]:
    """Return the numbers of the range, each with that of the same time before."""
    outcomes, before = profile.outcomes, profile.before
    when = _name_before(profile)
    mine = {profile.kind.column: profile.name}

    def tile(key: str, label: str, event_type: str = "") -> Tile:
        count = outcomes[event_type]
        note = f"{thousands(before[event_type])} {when}" if before else ""
        if event_type in {"delivered", "bounced", "deferred"}:
            note = ""
            if before and before.attempts:
                note = f"{percent(before[event_type], before.attempts)} {when}"
            share = percent(count, outcomes.attempts)
            note = "; ".join(filter(None, (share if count else "", note)))
        href = events_href(carried, type=event_type, **mine) if count else ""
        return Tile(key, label, thousands(count), href, note, event_type)

    tiles = [
        Tile(
            "attempts",
            "Attempts",
            thousands(outcomes.attempts),
            events_href(carried, **mine) if outcomes.attempts else "",
            _compare(outcomes, before, when),
        ),
        tile("delivered", "Delivered", "delivered"),
        tile("deferred", "Deferred", "deferred"),
        tile("bounced", "Bounced", "bounced"),
        _time_tile(outcomes, before, when),
    ]
    if outcomes["rejected"]:
        tiles.insert(4, tile("rejected", "Rejected at submission", "rejected"))
    return tiles


def build_facts(profile: Profile, carried: Mapping[str, str]) -> list[Fact]:
    """Return what is known of the name beside its mail."""
    facts = []
    about = kinds.describe(profile.kind, profile.name)
    if about and about.kind != "unknown":
        facts.append(Fact("kind", about.kind))
        if about.postmaster_url:
            url = about.postmaster_url
            facts.append(Fact("its page for postmasters", url, url, is_external=True))
    if profile.kind is kinds.DESTINATION:
        facts += [
            Fact("its mail is taken by", each.value, profile_href("provider", each.value, carried))
            for each in profile.refusals["providers"].values[:3]
            if each.value and each.value != profile.name
        ]
    facts += [Fact("known as", name) for name in profile.names[1:]]
    if profile.kind is kinds.IP:
        facts += _ip_facts(profile, carried)
    return facts


def build_tables(profile: Profile, carried: Mapping[str, str]) -> list[Table]:
    """Return the tables in their order: why first, then by whom and where, then what waits."""
    return [
        table
        for build in (tables.build_waiting, tables.build_replies, tables.build_pairs)
        if (table := build(profile, carried))
    ] + tables.build_parts(profile, carried)


def build_report(profile: Profile) -> str:
    """Return words for the other side's postmaster; empty while nothing is wrong."""
    replies = profile.refusals["replies"].values
    if not (profile.worse and profile.kind.is_peer and replies):
        return ""
    worse = profile.worse
    since = f"{worse.since:%Y-%m-%d}" if worse.is_day else f"{worse.since:%Y-%m-%d %H:%M} UTC"
    ips = ", ".join(each.value for each in profile.refusals["ips"].values[:10] if each.value)
    share = percent(worse.refused, worse.attempts)
    first, last = (
        f"{at:%Y-%m-%d %H:%M:%S} UTC" for at in (replies[0].first_at, replies[0].last_at)
    )
    lines = [
        f"Since {since} {profile.name} refuses {share} of our mail.",
        f"From our addresses: {ips}" if ips else "",
        f"The reply ({thousands(replies[0].count)} times): {replies[0].reply}",
        f"First {first}, last {last}.",
    ]
    return "\n".join(filter(None, lines))


def _compare(outcomes: Outcomes, before: Outcomes | None, when: str) -> str:
    if before is None:
        return ""
    against = change(outcomes.attempts, before.attempts)
    return (
        f"{against} against {thousands(before.attempts)} {when}".strip()
        if against
        else (f"{thousands(before.attempts)} {when}")
    )


def _time_tile(outcomes: Outcomes, before: Outcomes | None, when: str) -> Tile:
    average, p95 = outcomes.times.average_ms, outcomes.times.percentile_ms(0.95)
    note = f"95 % within {milliseconds(p95)}" if p95 is not None else ""
    if before and before.times.count:
        note = "; ".join(filter(None, (note, f"{milliseconds(before.times.average_ms)} {when}")))
    return Tile("time", "Delivery time", milliseconds(average), "", note)


def _name_before(profile: Profile) -> str:
    days = shift_before(profile.buckets) // DAY
    return "the day before" if days == 1 else f"the {days} days before"


def _ip_facts(profile: Profile, carried: Mapping[str, str]) -> list[Fact]:
    seen = profile.seen
    if seen is None:
        return []
    return [
        Fact("node", seen.node or UNKNOWN, tables.node_href(seen.node, carried)),
        Fact("zone", seen.zone or UNKNOWN),
        Fact("first used", at=seen.first_used_at),
        Fact("last used", at=seen.last_used_at),
    ]
