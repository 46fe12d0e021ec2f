"""Incidents of a history, and what looks like one and is none. Pure.

Times are minutes since the history began.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.alerts.blocks.attempts import Attempts, Reply
from tests.incidents.world import MINUTES_A_DAY, PROVIDERS, World

HOUR = 60
REPUTATION = Reply("b10c000000000001", "reputation", is_permanent=True)
SLOWER = Reply("5107000000000002", "rate", is_permanent=False)
SPAM = Reply("5ba0000000000003", "content", is_permanent=True)
DOMAIN = Reply("d000000000000004", "reputation", is_permanent=True)
NO_ANSWER = Reply("0000000000000005", "network", is_permanent=False)
LATER = Reply("1a7e000000000006", "other", is_permanent=False)
NOBODY = Reply("00b0d40000000007", "recipient", is_permanent=True)
GREYLISTED = Reply("94e1000000000008", "greylisted", is_permanent=False)

KINDS = (
    "at once",
    "two days of 4xx",
    "provider down",
    "no answer",
    "content",
    "domain",
    "slow",
    "small",
)


@dataclass
class Trouble:
    """Mail that is refused from one minute to another. `kind`: what it is; `truth`: the kind and
    subject of the block that must be found, None: nothing may be. `provider` "": of each.

    The share rises in a straight line; `permanent_after`: minutes after which SPAM-like replies
    become permanent.
    """

    name: str
    start: int
    end: int
    truth: tuple[str, str] | None
    provider: str = ""
    ip: str = ""
    sender: str = ""
    domain: str = ""
    replies: tuple[Reply, ...] = (REPUTATION,)
    shares: tuple[float, float] = (1.0, 1.0)
    ramp: int = 1
    switch_after: int = 0
    attempts: int = field(default=0, compare=False)
    found_at: int | None = field(default=None, compare=False)
    attempts_until: int = field(default=0, compare=False)

    def hits(self, row: Attempts) -> bool:
        return (
            (not self.provider or row.provider == self.provider)
            and (not self.ip or row.ip == self.ip)
            and (not self.sender or row.sender == self.sender)
            and (not self.domain or row.domain == self.domain)
        )

    def share(self, minute: int) -> float:
        first, last = self.shares
        return first + (last - first) * min(1.0, (minute - self.start) / self.ramp)

    def reply(self, minute: int) -> Reply:
        is_first = not self.switch_after or minute - self.start < self.switch_after
        return self.replies[0 if is_first else -1]


def generate_troubles(world: World, days: int, chance: random.Random) -> list[Trouble]:
    """Return one incident a day from the second day on, and what is none beside them."""
    troubles: list[Trouble] = []
    for day in range(1, days):
        incident = _incident(KINDS[day % len(KINDS)], world, day, chance)
        # One provider's troubles do not overlap: what is true would be a matter of opinion.
        while any(_overlap(incident, other) for other in troubles):
            incident = _incident(KINDS[day % len(KINDS)], world, day, chance)
        troubles.append(incident)
    confounders = [each for day in range(days) for each in _confounders(world, day, chance)]
    return troubles + [c for c in confounders if not any(_overlap(c, t) for t in troubles)]


def _overlap(one: Trouble, other: Trouble) -> bool:
    is_same = not one.provider or not other.provider or one.provider == other.provider
    day = MINUTES_A_DAY
    return is_same and one.start < other.end + day // 2 and other.start < one.end + day // 2


def _incident(kind: str, world: World, day: int, chance: random.Random) -> Trouble:  # noqa: PLR0911
    start = day * MINUTES_A_DAY + chance.randrange(MINUTES_A_DAY)
    end = start + chance.randrange(3 * HOUR, 30 * HOUR)
    large = list(PROVIDERS)[:6]
    provider = chance.choice(list(PROVIDERS)[:16])
    ip = chance.choice(world.ips)
    flow = world.flows[chance.choice(world.draws)]
    if kind == "at once":
        return Trouble(kind, start, end, ("ip", ip), provider, ip)
    if kind == "two days of 4xx":
        replies, two_days = (SLOWER, REPUTATION), 2 * MINUTES_A_DAY
        return Trouble(
            kind, start, start + two_days + 10 * HOUR, ("ip", ip),
            chance.choice(["Microsoft consumer", "Microsoft 365"]), ip,
            replies=replies, shares=(0.9, 1.0), ramp=two_days, switch_after=two_days,
        )  # fmt: skip
    if kind in {"provider down", "no answer"}:
        reply = NO_ANSWER if kind == "no answer" else LATER
        end = start + chance.randrange(30, 4 * HOUR)
        return Trouble(kind, start, end, ("provider", ""), provider, replies=(reply,))
    if kind == "content":
        busy = [s.sender for s in world.flows[:400]]
        sender = chance.choice(busy)
        shares = (0.9, 0.9)
        return Trouble(
            kind, start, end, ("sender", sender), chance.choice(large), sender=sender,
            replies=(SPAM,), shares=shares,
        )  # fmt: skip
    if kind == "domain":
        domain = flow.domain
        return Trouble(
            kind, start, end, ("domain", domain), chance.choice(large), domain=domain,
            replies=(DOMAIN,),
        )  # fmt: skip
    if kind == "slow":
        morning = day * MINUTES_A_DAY + 9 * HOUR + chance.randrange(4 * HOUR)
        return Trouble(
            kind, morning, morning + 20 * HOUR, ("ip", ip), chance.choice(large[:3]), ip,
            replies=(SLOWER,), shares=(0.3, 0.7), ramp=4 * HOUR,
        )  # fmt: skip
    ip = chance.choice(world.small_ips)
    days = 4 * MINUTES_A_DAY
    return Trouble(kind, start, start + days, ("ip", ip), chance.choice(large[:4]), ip)


def _confounders(world: World, day: int, chance: random.Random) -> Iterator[Trouble]:
    """Yield what is no incident on a day."""
    start = day * MINUTES_A_DAY + chance.randrange(MINUTES_A_DAY)
    provider, ip = chance.choice(list(PROVIDERS)), chance.choice(world.ips)
    sender = world.flows[chance.choice(world.draws)].sender
    kind = day % 5
    if kind == 0:
        yield Trouble("spam to unknown recipients", start, start + 3 * HOUR, None, provider,
                      replies=(NOBODY,), shares=(0.5, 0.5), sender=sender)  # fmt: skip
    if kind == 2:
        yield Trouble("our own network", start, start + 12, None, "", ip, replies=(NO_ANSWER,))
    for new in (each for each in world.new_ips if world.begins_at(each) // MINUTES_A_DAY == day):
        begin = world.begins_at(new)
        for name in ("Google", "Microsoft consumer", "Yahoo"):
            yield Trouble("warm-up", begin, begin + 6 * MINUTES_A_DAY, None, name, new,
                          replies=(SLOWER,), shares=(0.12, 0.12))  # fmt: skip
        for name in ("Free", "IONOS", "OVHcloud", "small.example"):
            yield Trouble("greylisting of a new IP", begin, begin + MINUTES_A_DAY, None, name, new,
                          replies=(GREYLISTED,))  # fmt: skip
        for name in ("GMX", "T-Online", "Seznam", "tiny.example"):
            yield Trouble("greylisting in other words", begin, begin + MINUTES_A_DAY, None, name,
                          new, replies=(LATER,))  # fmt: skip
    for _ in range(20):
        at = day * MINUTES_A_DAY + chance.randrange(MINUTES_A_DAY)
        sender = world.flows[chance.choice(world.draws)].sender
        yield Trouble("a run of one sender", at, at + chance.choice([1, 1, 3]), None,
                      chance.choice(list(PROVIDERS)), sender=sender, replies=(SPAM,))  # fmt: skip
