"""Profile of one provider, destination, sending IP, sending domain or account: all that is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from server.mailqueues import queries as mailqueues
from server.mailqueues.accounting import count_once
from server.profiles import accounts, kinds
from server.profiles.course import Worse, find_worse
from server.profiles.kinds import Kind
from server.profiles.outcomes import Outcomes, Stretch, read_history
from server.profiles.pairs import read_pairs
from server.profiles.refusals import Refusals, read_refusals
from server.profiles.sending_ips import SeenIp, find_ip
from server.profiles.waiting import Waiting, find_waiting
from server.rollups.plan import UTC_ZONE, Buckets, plan_total


@dataclass(frozen=True)
class Profile:
    """What is known of `name` in the time of `buckets`. `worse` is of this moment, whatever the
    range. `pairs`: of a provider the outcomes by IP, of an IP those by provider. `names`: of an
    account all that it goes by, the one asked for first."""

    kind: Kind
    name: str
    buckets: Buckets
    outcomes: Outcomes
    before: Outcomes | None
    trend: list[Stretch]
    worse: Worse | None
    refusals: Refusals
    pairs: Mapping[str, Outcomes] = field(default_factory=dict)
    waiting: Waiting | None = None
    seen: SeenIp | None = None
    names: Sequence[str] = ()

    @property
    def is_known(self) -> bool:
        """Whether there was any mail with it in the range or the trend."""
        return bool(
            self.outcomes.events.total()
            or self.refusals.count
            or any(day.outcomes.events.total() for day in self.trend)
        )


def read_profile(
    kind: Kind,
    name: str,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    zone: ZoneInfo = UTC_ZONE,
) -> Profile:
    """Read what is known of a name, as `kinds.clean_name` returns it. Runs six queries at most,
    of an account seven."""
    buckets = plan_total(start, end, now=now, zone=zone)
    names = accounts.find_spellings(name) if kind is kinds.ACCOUNT else [name]
    history = read_history(kind.dimension, names, buckets, now)
    refusals = read_refusals(kind, names, buckets.start, buckets.end)
    refused = refusals["ips" if kind is kinds.PROVIDER else "providers"].values
    return Profile(
        kind,
        name,
        buckets,
        history.outcomes,
        history.before,
        history.trend,
        find_worse(history.course, history.trend),
        refusals,
        pairs=read_pairs(kind, name, buckets, [each.value for each in refused if each.value]),
        waiting=_read_waiting(kind, name, refusals, now) if kind.is_peer else None,
        seen=find_ip(name) if kind is kinds.IP else None,
        names=names,
    )


def _read_waiting(kind: Kind, name: str, refusals: Refusals, now: datetime) -> Waiting | None:
    """Return what waits for a destination, or for the domains that a provider refused."""
    databases = count_once(mailqueues.newest_readings(now), now)
    domains = [name] if kind is kinds.DESTINATION else [*refusals.domains, name]
    return find_waiting(databases, domains, now)
