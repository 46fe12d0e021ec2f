"""Cells under suspicion: CUSUM of one IP, reply, sender, domain or provider. Pure.

A cell lives from its first refusal until its sum is 0 again, so that there are few of them, however
many IPs, senders and providers there are.
"""

from collections.abc import Iterable, KeysView, Mapping
from typing import NamedTuple

import msgspec

from server.alerts.blocks.attempts import NULL_SENDER, Attempts
from server.alerts.blocks.cusum import compute_gains

#: The kinds of cells. Each may raise its part of the accepted false alarms.
KINDS = ("ip", "reply", "sender", "domain", "provider")
#: The kinds of places, and which of them a kind of cell is of.
SPACES = ("ip", "sender", "domain", "provider")
SPACE_OF = {kind: "ip" if kind == "reply" else kind for kind in KINDS}
#: The fewest refused messages. One sender's mail is refused for good reasons every day.
MIN_MESSAGES = {"ip": 4, "reply": 4, "sender": 8, "domain": 8, "provider": 6}
#: Cells that need more than one sender: who sends is what one sender's content says nothing about.
MIN_SENDERS = {"ip": 2, "reply": 2, "sender": 1, "domain": 2, "provider": 2}
#: A refused unit of one sender counts once in this time: runs of refusals are of one cause.
ONCE_IN_S = {"sender": 120.0}
#: Senders of a cell beyond this are one.
MAX_SENDERS, OTHERS = 50, "(others)"
#: Unclear temporary replies may be greylisting until so many retries are refused too.
MIN_REFUSED_LATER = 2
#: A cell without a refusal for so long is forgotten.
FORGET_AFTER_S = 2 * 86_400.0


class Key(NamedTuple):
    """What a cell is of; `subject`: IP, IP and fingerprint, sender or domain; empty: all."""

    kind: str
    provider: str
    subject: str


class Cell(msgspec.Struct):
    """The sum `s`, since when it is above 0, and what it is made of. `place`: whose taken mail
    counts: provider and IP, sender or domain. `evidence`: by sender, what it added to the sum."""

    place: tuple[str, str]
    usual: float
    s: float = 0.0
    since: float = 0.0
    refused_at: float = 0.0
    counted_at: float = 0.0
    messages: int = 0
    refused_later: int = 0
    clear_messages: int = 0
    evidence: dict[str, float] = {}

    def add(
        self, taken: int, refused: Iterable[tuple[Attempts, float]] = (), *, once_in_s: float = 0.0
    ) -> None:
        """Add the units of one minute: how many were all taken, of the others the refused share.

        Their order within the minute is not known, so they are added at once.
        """
        up, down = compute_gains(self.usual)
        total = taken * down
        for row, share in refused:
            gain = share * up + (1 - share) * down
            is_again = once_in_s > 0 and row.refused_at < self.counted_at + once_in_s
            gain = min(gain, 0.0) if is_again else gain
            if gain > 0:
                self.counted_at = row.refused_at
            total += gain
            if share > 0:
                self._note(row, gain)
        self.s = max(0.0, self.s + total)

    def _note(self, row: Attempts, gain: float) -> None:
        self.since = self.since or row.refused_at
        self.refused_at = max(self.refused_at, row.refused_at)
        self.messages += row.refused + row.unreached
        self.clear_messages += sum(r.messages for r in row.replies if r.is_clear)
        known = row.sender in self.evidence or len(self.evidence) < MAX_SENDERS
        name = row.sender if known else OTHERS
        self.evidence[name] = self.evidence.get(name, 0.0) + max(gain, 0.0)

    def is_alarm(self, kind: str, threshold: float) -> bool:
        """Return whether the sum is over the threshold, not by one sender's refusals, and not by
        what may be greylisting."""
        if self.s < threshold or self.messages < MIN_MESSAGES[kind]:
            return False
        if len(self.evidence) < MIN_SENDERS[kind]:
            return False
        is_clear = self.clear_messages >= MIN_MESSAGES[kind]
        if not is_clear and self.refused_later < MIN_REFUSED_LATER:
            return False
        return MIN_SENDERS[kind] == 1 or self._sum_without_excess() >= threshold

    def _sum_without_excess(self) -> float:
        """Return the sum, with no more of its first sender than of all others together."""
        top = max(self.evidence.values())
        others = sum(self.evidence.values()) - top
        return self.s - max(0.0, top - others)


#: Where mail is taken from or to: provider and IP, sender or domain.
Place = tuple[str, str]


class Cells:
    """All cells, found by key, or by the place whose mail they count."""

    def __init__(self, cells: Mapping[Key, Cell] | None = None) -> None:
        self._cells: dict[Key, Cell] = {}
        self._by_place: dict[str, dict[Place, set[Key]]] = {space: {} for space in SPACES}
        for key, cell in (cells or {}).items():
            self.put(key, cell)

    def __contains__(self, key: Key) -> bool:
        return key in self._cells

    def __getitem__(self, key: Key) -> Cell:
        return self._cells[key]

    def __len__(self) -> int:
        return len(self._cells)

    def get(self, key: Key) -> Cell | None:
        return self._cells.get(key)

    def items(self) -> list[tuple[Key, Cell]]:
        return [*self._cells.items()]

    def put(self, key: Key, cell: Cell) -> None:
        self._cells[key] = cell
        self._by_place[SPACE_OF[key.kind]].setdefault(cell.place, set()).add(key)

    def remove(self, key: Key) -> None:
        cell = self._cells.pop(key)
        places = self._by_place[SPACE_OF[key.kind]]
        places[cell.place].discard(key)
        if not places[cell.place]:
            del places[cell.place]

    def of_provider(self, provider: str) -> list[Key]:
        return [key for key in self._cells if key.provider == provider]

    def at(self, space: str, place: Place) -> Iterable[Key]:
        """Return the cells of one place."""
        return self._by_place[space].get(place, ())

    def places(self, space: str) -> KeysView[Place]:
        return self._by_place[space].keys()


def keys_of(row: Attempts) -> list[Key]:
    """Return the keys of the cells that a row with refusals counts in."""
    provider = row.provider
    keys = [Key("provider", provider, "")]
    if row.refused:
        if row.ip:
            keys += [Key("ip", provider, row.ip)]
            keys += [Key("reply", provider, f"{row.ip} {r.fingerprint}") for r in row.replies]
        if row.sender != NULL_SENDER:
            keys += [Key("sender", provider, row.sender), Key("domain", provider, row.domain)]
    return keys


def places_of(row: Attempts) -> tuple[tuple[str, Place], ...]:
    """Return the places a row counts at, each with its kind."""
    provider = row.provider
    return (
        ("ip", (provider, row.ip)), ("sender", (provider, row.sender)),
        ("domain", (provider, row.domain)), ("provider", (provider, "")),
    )  # fmt: skip


def share_in(key: Key, row: Attempts) -> float | None:
    """Return the refused share of a row in a cell; None where the row says nothing about it."""
    if key.kind != "reply":
        return row.share(of_all=key.kind == "provider")
    total = row.taken + row.refused
    fingerprint = key.subject.rpartition(" ")[2]
    refused = sum(r.messages for r in row.replies if r.fingerprint == fingerprint)
    return min(refused, total) / total if total else None
