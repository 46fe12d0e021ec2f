"""Comparison of what is refused with what is not: an IP, a provider, a sender, or a domain. Pure.

Each explanation names a part of a provider's mail that is refused more often, while the rest is
refused as usual. The one that makes what was seen most likely is taken; where one sender on one IP
is all that was seen, and several are as likely, the class of the replies decides.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, log

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
#: Senders and domains that are compared.
MAX_CANDIDATES = 5
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
    top_ip = refused_by["ip"].most_common(1)
    ip = ip if refused_by["ip"].get(ip) else next((name for name, _ in top_ip), "")
    scores = {Explanation("provider", ""): _score(seen, usual, lambda row: True)}
    if ip:
        scores[Explanation("ip", ip)] = max(
            _score(seen, usual, _is_of("ip", ip)), _score_ips(seen, usual, ip)
        )
    for kind in ("sender", "domain"):
        for subject in _most_unusual(seen, refused_by[kind], usual, kind):
            scores[Explanation(kind, subject)] = _score(seen, usual, _is_of(kind, subject))
    for name, count in classes.items():
        kind, weight = HINTS.get(name, ("ip", 0.0))
        share = count / classes.total()
        scores |= {e: s + weight * share for e, s in scores.items() if e.kind == kind}
    best = max(scores, key=lambda each: scores[each])
    if best.kind not in {"ip", "domain"}:
        return best
    return _prefer_sender(best, scores, seen)


def _most_unusual(
    seen: Iterable[_Seen], refused: Counter[str], usual: float, kind: str
) -> list[str]:
    """Return the senders or domains with the most refused units beyond what is usual: the busiest
    have the most, and nothing may be wrong with them."""
    excess = Counter(refused)
    for each in seen:
        if (name := getattr(each.row, kind)) in excess:
            excess[name] -= usual * each.units  # type: ignore[assignment]
    return [name for name, _ in excess.most_common(MAX_CANDIDATES)]


def _prefer_sender(
    best: Explanation, scores: dict[Explanation, float], seen: Sequence[_Seen]
) -> Explanation:
    """Return the first sender of an IP or a domain, where it explains nearly as much alone."""
    belongs = _is_of(best.kind, best.subject)
    its = [each for each in seen if belongs(each.row)]
    senders = _sum_refused(its, "sender")
    if not senders:
        return best
    (top, refused), *_ = senders.most_common(1)
    of_sender = Explanation("sender", top)
    margin = scores[best] - scores.get(of_sender, -inf)
    if best.kind == "domain":
        is_one = sum(senders.values()) - refused < MIN_OTHERS
    else:
        is_one = len(senders) == 1 and any(each.row.sender != top for each in its)
    return of_sender if is_one and margin < MARGIN_OF_ONE_SENDER else best


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
