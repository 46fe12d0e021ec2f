"""Comparison of what is refused with what is not: an IP, a provider, a sender, or a domain. Pure.

Each explanation names a part of a provider's mail that is refused more often, while the rest is
refused as usual. The one that makes what was seen most likely is taken; where one sender on one IP
is all that was seen, and several are as likely, the class of the replies decides.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import log

from server.alerts.blocks.attempts import NULL_SENDER, UNREACHABLE, Attempts

#: An explanation by several IPs of ours must be better by this for each of them.
PENALTY_OF_IP = 1.0
#: The share from which an IP is one of several that are blocked.
MIN_SHARE_OF_IP = 0.3
#: Bounds of the share in the part that is refused.
MIN_SHARE, MAX_SHARE = 0.2, 0.98
#: With one sender alone, the IP must be a better explanation by this.
MARGIN_OF_ONE_SENDER = 2.0
#: With fewer refused units of others than of its first sender a domain must be likewise.
MIN_OTHERS = 2.0
#: What the class of the replies speaks for, where what was seen fits several explanations.
HINTS = {
    "reputation": ("ip", 1.5),
    "rate": ("ip", 1.0),
    "other": ("ip", 0.5),
    "policy": ("ip", 0.3),
    "content": ("sender", 1.5),
    "authentication": ("domain", 1.0),
    "sender": ("domain", 1.0),
    "network": ("provider", 1.5),
    "unknown": ("provider", 1.5),
}

Belongs = Callable[[Attempts], bool]


@dataclass(frozen=True)
class Explanation:
    """Whose mail is refused. `kind`: ip, provider, sender or domain; `subject`: empty for all."""

    kind: str
    subject: str


@dataclass
class _Seen:
    """Units of one IP, sender and domain: all, and refused ones."""

    row: Attempts
    units: float = 0.0
    refused: float = 0.0


def explain(
    attempts: Iterable[Attempts], usual: float, *, ip: str = "", of_all: bool = False
) -> Explanation | None:
    """Return the best explanation of what one provider refused; None: nothing is refused.

    `usual`: the usual share; `ip`: the IP that is suspected; `of_all`: see Attempts.share.
    """
    seen, classes = _count(attempts, of_all=of_all)
    refused_by = {name: _sum_refused(seen, name) for name in ("ip", "sender", "domain")}
    if not any(each.refused for each in seen):
        return None
    tops = {name: by.most_common(1)[0][0] for name, by in refused_by.items() if by}
    ip = ip if refused_by["ip"].get(ip) else tops.get("ip", "")
    scores = {Explanation("provider", ""): _score(seen, usual, lambda row: True)}
    if ip:
        scores[Explanation("ip", ip)] = max(
            _score(seen, usual, _is_of("ip", ip)), _score_ips(seen, usual, ip)
        )
    for kind in ("sender", "domain"):
        if kind in tops:
            is_its = _is_of(kind, tops[kind])
            scores[Explanation(kind, tops[kind])] = _score(seen, usual, is_its)
    for name, count in classes.items():
        kind, weight = HINTS.get(name, ("ip", 0.0))
        share = count / classes.total()
        scores |= {e: s + weight * share for e, s in scores.items() if e.kind == kind}
    best = max(scores, key=lambda each: scores[each])
    of_sender = Explanation("sender", tops.get("sender", ""))
    if best.kind == "domain":
        others = sum(refused_by["sender"].values()) - refused_by["sender"][of_sender.subject]
        margin = scores[best] - scores[of_sender]
        return of_sender if others < MIN_OTHERS and margin < MARGIN_OF_ONE_SENDER else best
    senders = {each.row.sender for each in seen if each.refused and each.row.ip == ip}
    if best.kind == "ip" and len(senders) == 1 and "sender" in tops:
        others_seen = any(each.row.sender not in senders for each in seen if each.row.ip == ip)
        if others_seen and scores[best] - scores[of_sender] < MARGIN_OF_ONE_SENDER:
            return of_sender
    return best


def _is_of(kind: str, subject: str) -> Belongs:
    return lambda row: getattr(row, kind) == subject


def _count(attempts: Iterable[Attempts], *, of_all: bool) -> tuple[list[_Seen], Counter[str]]:
    seen: dict[tuple[str, str, str], _Seen] = {}
    classes: Counter[str] = Counter()
    for row in attempts:
        share = row.share(of_all=of_all)
        if share is None:
            continue
        each = seen.setdefault((row.ip, row.sender, row.domain), _Seen(row))
        each.units += 1
        each.refused += share
        for reply in row.replies:
            if of_all or reply.bounce_class not in UNREACHABLE:
                classes[reply.bounce_class] += 1
    return list(seen.values()), classes


def _sum_refused(seen: Iterable[_Seen], name: str) -> Counter[str]:
    sums: Counter[str] = Counter()
    for each in seen:
        subject = getattr(each.row, name)
        if subject and each.refused and (name == "ip" or each.row.sender != NULL_SENDER):
            sums[subject] += each.refused  # type: ignore[assignment]
    return sums


def _score(seen: Iterable[_Seen], usual: float, is_refused: Belongs) -> float:
    """Return the log-likelihood of what was seen, were this part refused and the rest as usual."""
    inside, refused_inside, outside, refused_outside = 0.0, 0.0, 0.0, 0.0
    for each in seen:
        if is_refused(each.row):
            inside += each.units
            refused_inside += each.refused
        else:
            outside += each.units
            refused_outside += each.refused
    share = min(max(refused_inside / inside if inside else 0.0, MIN_SHARE), MAX_SHARE)
    return _log_likelihood(inside, refused_inside, share) + _log_likelihood(
        outside, refused_outside, usual
    )


def _score_ips(seen: list[_Seen], usual: float, ip: str) -> float:
    """Return the score of several IPs that are blocked at once, this one among them."""
    units: Counter[str] = Counter()
    for each in seen:
        units[each.row.ip] += each.units  # type: ignore[assignment]
    refused = _sum_refused(seen, "ip")
    blocked = {name for name, n in units.items() if refused[name] >= MIN_SHARE_OF_IP * n} | {ip}
    penalty = PENALTY_OF_IP * (len(blocked) - 1)
    return _score(seen, usual, lambda row: row.ip in blocked) - penalty


def _log_likelihood(units: float, refused: float, share: float) -> float:
    return refused * log(share) + (units - refused) * log(1 - share)
