"""The senders, IPs and providers of a made-up cluster, and how much mail goes which way. Pure."""

import random
from dataclasses import dataclass, field
from itertools import accumulate
from math import cos, pi

from server.alerts.blocks.attempts import Attempts

MINUTES_A_DAY = 1440
#: Provider → share of the mail in percent, and usual share of refused mail in percent.
PROVIDERS = {
    "Google": (30.0, 0.6), "Microsoft consumer": (14.0, 1.0), "Microsoft 365": (14.0, 0.8),
    "Yahoo": (7.0, 1.2), "Apple": (5.0, 0.8), "GMX": (4.0, 1.0), "T-Online": (3.0, 1.5),
    "Proofpoint": (3.0, 1.0), "Mimecast": (2.5, 2.0), "Barracuda": (2.0, 3.0),
    "IONOS": (2.0, 0.5), "OVHcloud": (2.0, 0.5), "Orange": (1.5, 3.0), "Free": (1.0, 4.0),
    "Libero": (1.0, 2.0), "Yandex": (1.0, 1.0), "Mail.ru": (1.0, 2.0), "Tencent": (1.0, 8.0),
    "NetEase": (1.0, 5.0), "Zoho": (1.0, 0.5), "Seznam": (1.0, 0.5), "WP": (1.0, 1.0),
    "small.example": (0.6, 0.5), "tiny.example": (0.4, 0.5),
}  # fmt: skip
NODES, IPS_A_NODE, SMALL_IPS, NEW_IPS = 15, 3, 5, 12
NEW_IP_EVERY_DAYS = 5
SENDERS, DOMAINS = 1500, 400
#: Flows that exist, and how many messages are drawn before the dice are thrown anew.
FLOWS, DRAWS = 60_000, 400_000
#: What goes out at night, as a share of the mean.
NIGHT = 0.15


@dataclass
class World:
    """`flows`: one taken message of a sender from an IP to a provider, each; `draws`: numbers of
    flows, as often as they are used."""

    seed: int
    messages_a_day: int
    flows: list[Attempts] = field(default_factory=list)
    ips: list[str] = field(default_factory=list)
    small_ips: list[str] = field(default_factory=list)
    new_ips: list[str] = field(default_factory=list)
    first_new_flow: int = 0
    draws: list[int] = field(default_factory=list)
    _weights: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.ips = [f"192.0.2.{n}" for n in range(1, NODES * IPS_A_NODE - SMALL_IPS + 1)]
        self.small_ips = [f"198.51.100.{n}" for n in range(1, SMALL_IPS + 1)]
        self.new_ips = [f"203.0.113.{n}" for n in range(1, NEW_IPS + 1)]
        senders = [
            (f"user{n}", f"domain{chance.randrange(DOMAINS)}.example") for n in range(SENDERS)
        ]
        of_sender = [1 / (n + 8) for n in range(SENDERS)]
        names, shares = zip(*((name, share) for name, (share, _) in PROVIDERS.items()), strict=True)
        of_ip = [chance.uniform(0.4, 1.6) for _ in self.ips]
        for _ in range(FLOWS):
            ((sender, domain),) = chance.choices(senders, of_sender)
            (provider,), (ip,) = chance.choices(names, shares), chance.choices(self.ips, of_ip)
            self._add(Attempts(provider, ip, sender, domain, 1), 1.0)
        for number, ip in enumerate(self.small_ips):
            # Of a few senders each, and of a few dozen to a few hundred messages a day.
            for sender, domain in chance.sample(senders[200:], 4):
                for provider, share in zip(names, shares, strict=True):
                    weight = FLOWS * (number + 1) * 4e-5 * share / 100
                    self._add(Attempts(provider, ip, sender, domain, 1), weight)
        self.first_new_flow = len(self.flows)
        for ip in self.new_ips:
            for sender, domain in chance.sample(senders[200:], 6):
                for provider, share in zip(names, shares, strict=True):
                    weight = FLOWS * 5e-5 * share / 100
                    self._add(Attempts(provider, ip, sender, domain, 1), weight)
        self.throw(chance)

    def begins_at(self, ip: str) -> int:
        """Return the minute in which a new IP is used for the first time."""
        return round((self.new_ips.index(ip) + 0.6) * NEW_IP_EVERY_DAYS * MINUTES_A_DAY)

    def _add(self, flow: Attempts, weight: float) -> None:
        self.flows.append(flow)
        self._weights.append(weight)

    def throw(self, chance: random.Random) -> None:
        """Throw the dice anew."""
        weights = list(accumulate(self._weights))
        self.draws = chance.choices(range(len(self.flows)), cum_weights=weights, k=DRAWS)

    def rate(self, minute: int) -> float:
        """Return how many messages go out in a minute, the mean of it."""
        part = (minute % MINUTES_A_DAY) / MINUTES_A_DAY
        weekend = 0.6 if minute // MINUTES_A_DAY % 7 > 4 else 1.0
        by_day = 1 - (1 - NIGHT) * cos(2 * pi * (part - 0.125))
        return self.messages_a_day / MINUTES_A_DAY * max(NIGHT, by_day) * weekend * 1.13

    def pick_flows(self, minute: int, chance: random.Random) -> list[int]:
        """Return the flows of the messages of a minute, some of them more than once."""
        count = min(round(chance.gauss(mean := self.rate(minute), mean**0.5)), DRAWS // 2)
        start = chance.randrange(DRAWS - max(count, 0))
        return self.draws[start : start + max(count, 0)]
