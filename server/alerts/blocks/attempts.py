"""Attempts of one minute: what of one sender's mail one provider took from one IP. Pure.

A unit of evidence is all first attempts of one sender, from one IP to one provider in one minute,
each message once: a message to fifty recipients, or a run of one sender, is one unit. Without that
runs of five make 500 times as many false alarms. Only first attempts count: retries would make a
greylisting server look like one that blocks.
"""

from typing import NamedTuple

#: What is about the recipient or passes by itself says nothing about who sends.
EXCLUDED = ("recipient", "full", "size", "greylisted")
#: Nobody answered: the provider may be down, but it refuses nobody.
UNREACHABLE = frozenset({"network", "unknown"})
#: Classes whose temporary refusals may be greylisting in words that no rule knows.
UNCLEAR = frozenset({"other", "policy"})
#: The sender of notices: many programs, and of no domain.
NULL_SENDER = "<>"


class Reply(NamedTuple):
    """Messages that were refused with one reply."""

    fingerprint: str
    bounce_class: str
    is_permanent: bool
    messages: int = 1

    @property
    def is_clear(self) -> bool:
        return self.is_permanent or self.bounce_class not in UNCLEAR


class Attempts(NamedTuple):
    """Messages of one sender in one minute: those taken at the first attempt, those refused then by
    reply, and those that were taken or refused again at a later one."""

    provider: str
    ip: str
    sender: str
    domain: str
    taken: int = 0
    replies: tuple[Reply, ...] = ()
    taken_later: int = 0
    refused_later: int = 0
    #: When the first of them was refused, in seconds since 1970.
    refused_at: float = 0.0

    @property
    def refused(self) -> int:
        """Messages that somebody refused."""
        return sum(r.messages for r in self.replies if r.bounce_class not in UNREACHABLE)

    @property
    def unreached(self) -> int:
        """Messages for which nobody answered."""
        return sum(r.messages for r in self.replies if r.bounce_class in UNREACHABLE)

    def share(self, *, of_all: bool = False) -> float | None:
        """Return the refused share of first attempts; None without any. `of_all`: count those for
        which nobody answered as refused, and not as never made."""
        refused = self.refused + (self.unreached if of_all else 0)
        total = self.taken + refused
        return refused / total if total else None
