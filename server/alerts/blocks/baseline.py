"""Usual shares of refused mail by provider and IP, learnt while nothing is wrong. Pure.

Sums fade with a time constant of 14 days: the mean age of what they know is that of a window of 28
days. An IP's share is shrunk towards its provider's, (refused + PRIOR·mean) / (units + PRIOR), so
that a few units of a small IP say little. Cells under suspicion teach nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp

from server.alerts.blocks.cusum import clamp_usual

FADE_S = 14 * 86_400.0
SECONDS_A_MONTH = 30 * 86_400.0
LEARNT_EVERY_S = 3600.0
#: How many units the provider's mean weighs in an IP's share, and a first guess in a provider's.
IP_PRIOR, PROVIDER_PRIOR = 200.0, 200.0
FIRST_GUESS, FIRST_GUESS_OF_REPLY = 0.01, 0.002
#: What may be usual at a provider while so little is known of all: in a new installation.
UNKNOWN_SHARE, MIN_KNOWN_UNITS = 0.1, 500.0
#: An IP that began so recently, or with fewer units at all providers, is new: providers slow down
#: what they do not know. Those of the first day of all were there before.
NEW_IP_S, NEW_IP_UNITS, NEW_IP_SHARE = 21 * 86_400.0, 500.0, 0.1
FIRST_DAY_S = 86_400.0
#: Sums smaller than this are forgotten, and the largest of a kind are kept beyond a bound.
MIN_UNITS, MAX_PAIRS = 0.05, 50_000


@dataclass
class Baseline:
    """Faded sums. `pairs`: by provider and IP, units and refused ones; `replies`: refused units by
    provider and fingerprint; `unreached`: units by provider that nobody answered; `first_at`: when
    each IP was first used."""

    pairs: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    replies: dict[tuple[str, str], float] = field(default_factory=dict)
    unreached: dict[str, float] = field(default_factory=dict)
    faded_at: float = 0.0
    first_at: dict[str, float] = field(default_factory=dict)
    _providers: dict[str, list[float]] = field(default_factory=dict)
    _ips: dict[str, float] = field(default_factory=dict)

    def add(self, provider: str, ip: str, units: float, refused: float = 0.0) -> None:
        """Learn units of a provider and IP."""
        pair = self.pairs.setdefault((provider, ip), [0.0, 0.0])
        of_provider = self._providers.setdefault(provider, [0.0, 0.0])
        for sums in (pair, of_provider):
            sums[0] += units
            sums[1] += refused
        self._ips[ip] = self._ips.get(ip, 0.0) + units

    def add_reply(self, provider: str, fingerprint: str, refused: float) -> None:
        key = (provider, fingerprint)
        self.replies[key] = self.replies.get(key, 0.0) + refused

    def fade(self, now: float) -> None:
        """Let what is known fade until now, and forget what is next to nothing."""
        factor = exp((self.faded_at - now) / FADE_S) if self.faded_at else 1.0
        self.faded_at = now
        self.first_at = {ip: self.first_at.get(ip, now) for ip in self._ips}
        kept = [(key, n * factor, k * factor) for key, (n, k) in self.pairs.items()]
        kept = sorted((each for each in kept if each[1] >= MIN_UNITS), key=lambda each: -each[1])
        self.replies = _largest({key: k * factor for key, k in self.replies.items()})
        self.unreached = _largest({key: k * factor for key, k in self.unreached.items()})
        self.restore((*key, n, k) for key, n, k in kept[:MAX_PAIRS])

    def restore(self, rows: Iterable[tuple[str, str, float, float]]) -> None:
        """Replace all pairs by these: provider, IP, units and refused ones."""
        self.pairs, self._providers, self._ips = {}, {}, {}
        for provider, ip, units, refused in rows:
            self.add(provider, ip, units, refused)

    def units_a_month(self) -> float:
        """Return the units of a month at the rate of what is known, however short that is."""
        begin = min(self.first_at.values(), default=self.faded_at) - LEARNT_EVERY_S
        known_s = FADE_S * (1 - exp((begin - self.faded_at) / FADE_S))
        return sum(self._ips.values()) * SECONDS_A_MONTH / known_s

    def of_provider(self, provider: str, *, of_all: bool = False) -> float:
        """Return the usual share at a provider; `of_all`: with what nobody answered."""
        units, refused = self._providers.get(provider, (0.0, 0.0))
        more = self.unreached.get(provider, 0.0) if of_all else 0.0
        prior = FIRST_GUESS * PROVIDER_PRIOR
        share = (refused + more + prior) / (units + more + PROVIDER_PRIOR)
        is_known = sum(self._ips.values()) >= MIN_KNOWN_UNITS
        return clamp_usual(share if is_known else max(share, UNKNOWN_SHARE))

    def of_ip(self, provider: str, ip: str) -> float:
        """Return the usual share of an IP at a provider."""
        units, refused = self.pairs.get((provider, ip), (0.0, 0.0))
        mean = self.of_provider(provider)
        share = (refused + IP_PRIOR * mean) / (units + IP_PRIOR)
        return clamp_usual(max(share, NEW_IP_SHARE) if self._is_new(ip) else share)

    def of_reply(self, provider: str, fingerprint: str, ip: str) -> float:
        """Return the usual share of one reply at a provider. A new IP hears some more often."""
        units = self._providers.get(provider, (0.0, 0.0))[0]
        refused = self.replies.get((provider, fingerprint), 0.0)
        prior = FIRST_GUESS_OF_REPLY * PROVIDER_PRIOR
        share = clamp_usual((refused + prior) / (units + PROVIDER_PRIOR))
        return max(share, NEW_IP_SHARE) if self._is_new(ip) else share

    def _is_new(self, ip: str) -> bool:
        if self._ips.get(ip, 0.0) < NEW_IP_UNITS:
            return True
        begin = min(self.first_at.values(), default=0.0) + FIRST_DAY_S
        first_at = self.first_at.get(ip, self.faded_at)
        return first_at > begin and self.faded_at - first_at < NEW_IP_S


def _largest(sums: dict[str, float] | dict[tuple[str, str], float]) -> dict:  # type: ignore[type-arg]
    kept = [(key, k) for key, k in sums.items() if k >= MIN_UNITS]
    return dict(sorted(kept, key=lambda each: -each[1])[:MAX_PAIRS])
