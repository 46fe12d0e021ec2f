"""Detection of blocks: minute by minute, from the attempts of all mail that goes out. Pure.

A refusal counts in five cells: its IP, its IP and reply, its sender, its sender's domain, and its
provider. The first cell over the threshold asks comparison.py whose mail is refused; the answer,
not the cell, is what is reported. What an open block explains counts in no cell.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from server.alerts.blocks.attempts import Attempts
from server.alerts.blocks.baseline import Baseline
from server.alerts.blocks.cells import (
    FORGET_AFTER_S,
    KINDS,
    MIN_MESSAGES,
    ONCE_IN_S,
    Cell,
    Cells,
    Key,
    Place,
    keys_of,
    places_of,
    share_in,
)
from server.alerts.blocks.comparison import Explanation, explain
from server.alerts.blocks.cusum import compute_threshold
from server.alerts.blocks.watch import Watch

#: False alarms that are accepted in a month, of all cells together.
ACCEPTED_A_MONTH = 1.0
#: Bounds of what is held; of cells those with the smallest sums are dropped, and counted.
MAX_CELLS, MAX_WATCHES = 20_000, 500
#: A provider that turns out to be down takes over the blocks that began so shortly before.
ABSORBED_WITHIN_S = 2 * 3600.0
#: Blocks that began so long before explain what they refuse, when something else begins.
EXPLAINS_AFTER_S = 3600.0
#: How far back attempts are compared.
MAX_LOOK_BACK_S = 86_400.0
#: When nobody answers: with so large a share at so many other providers it is our own network.
OWN_SHARE, OWN_PROVIDERS, OWN_MINUTES = 0.3, 3, 15
#: So many refusals of an hour are learnt.
MAX_LEARNT = 20_000
#: A cell whose sum is over this part of the threshold teaches nothing.
SUSPICIOUS = 0.3
MINUTE_S, HOUR_S = 60.0, 3600.0
_pair: Callable[[Attempts], tuple[str, str]] = itemgetter(0, 1)
#: Where in a row the subject of these kinds of cells is.
_PLACES = (("sender", 2), ("domain", 3))

#: Returns the attempts of a provider from a time on, the present minute included.
LookBack = Callable[[str, float], Iterable[Attempts]]


@dataclass(frozen=True)
class Change:
    """A block that began, or ended at `ended_at` for a reason: taken, untried, or merged."""

    watch: Watch
    ended_at: float | None = None
    reason: str = ""


@dataclass
class Detector:
    """The state of detection. `dropped_cells`: how many were dropped for the bound."""

    baseline: Baseline = field(default_factory=Baseline)
    cells: Cells = field(default_factory=Cells)
    watches: list[Watch] = field(default_factory=list)
    dropped_cells: int = 0
    learnt: Counter[tuple[str, str]] = field(default_factory=Counter)
    learnt_refusals: list[Attempts] = field(default_factory=list)
    _recent: deque[tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]] = field(
        default_factory=lambda: deque(maxlen=OWN_MINUTES)
    )

    def observe(self, minute: float, rows: Sequence[Attempts], look_back: LookBack) -> list[Change]:
        """Take the attempts of the minute that begins at `minute`; return what changed."""
        end = minute + MINUTE_S
        if end - self.baseline.faded_at >= HOUR_S:
            self._forget(end)
        by_block, others = self._split(rows)
        for watch in self.watches:
            watch.add(by_block.get(id(watch), ()), minute)
        changes = self._end_watches(end)
        refusals = [row for row in others if row[5]]
        taken = [row for row in others if row[4] and not row[5]]
        pairs = Counter(map(_pair, taken))
        touched = self._add(taken, pairs, refusals)
        self._learn(pairs, refusals)
        for row in others:
            if row[7]:
                touched |= self._note_retries(row)
        return changes + self._raise_alarms(touched, end, look_back)

    def _split(
        self, rows: Sequence[Attempts]
    ) -> tuple[dict[int, list[Attempts]], Sequence[Attempts]]:
        """Return the rows that open blocks explain, by block, and all others."""
        if not self.watches:
            return {}, rows
        watches: dict[str, list[Watch]] = {}
        for watch in self.watches:
            watches.setdefault(watch.provider, []).append(watch)
        explained: dict[int, list[Attempts]] = {}
        others: list[Attempts] = []
        for row in rows:
            known = watches.get(row.provider)
            its = next((w for w in known if w.explains(row)), None) if known else None
            if its is None:
                others.append(row)
            else:
                explained.setdefault(id(its), []).append(row)
        return explained, others

    def _end_watches(self, now: float) -> list[Change]:
        ended = [(watch, end) for watch in self.watches if (end := watch.find_end(now))]
        if ended:
            gone = {id(watch) for watch, _ in ended}
            self.watches = [watch for watch in self.watches if id(watch) not in gone]
        return [Change(watch, *end) for watch, end in ended]

    def _learn(self, taken: Counter[Place], refusals: Sequence[Attempts]) -> None:
        """Note what is under no suspicion. It is learnt when its hour is over, so that no refusal
        makes those usual that follow it."""
        threshold = SUSPICIOUS * self.threshold()
        units = taken + Counter(map(_pair, refusals))
        self._recent.append((units, _count_unreached(refusals)))
        self.learnt.update(units)
        suspected = set()
        for provider, ip in {_pair(row) for row in refusals}:
            cell = self.cells.get(Key("ip", provider, ip))
            if cell is not None and cell.s >= threshold:
                self.learnt[provider, ip] -= units[provider, ip]
                suspected.add((provider, ip))
        refused = [row for row in refusals if _pair(row) not in suspected]
        self.learnt_refusals += refused[: MAX_LEARNT - len(self.learnt_refusals)]

    def _learn_hour(self) -> None:
        for pair, units in self.learnt.items():
            self.baseline.add(*pair, units)
        for row in self.learnt_refusals:
            self._learn_refusal(row)
        self.learnt, self.learnt_refusals = Counter(), []

    def _learn_refusal(self, row: Attempts) -> None:
        share = row.share()
        if share is None:
            self.baseline.add(row.provider, row.ip, -1.0)
            unreached = self.baseline.unreached
            unreached[row.provider] = unreached.get(row.provider, 0.0) + 1
            return
        self.baseline.add(row.provider, row.ip, 0.0, share)
        for reply in row.replies:
            of_reply = share_in(Key("reply", "", f" {reply.fingerprint}"), row) or 0.0
            self.baseline.add_reply(row.provider, reply.fingerprint, of_reply)

    def _add(
        self, taken: Iterable[Attempts], pairs: Counter[Place], refusals: Sequence[Attempts]
    ) -> set[Key]:
        """Add the units of a minute to the cells; return those that were refused any. `pairs`: how
        many units were all taken by provider and IP."""
        cells = self.cells
        refused = self._collect_refused(refusals)
        updated = set()
        for space, counts in self._count_taken(taken, pairs).items():
            for place in counts.keys() & cells.places(space):
                for key in [*cells.at(space, place)]:
                    self._update(key, counts[place], refused.get(key, ()))
                    updated.add(key)
        for key in refused.keys() - updated:
            self._update(key, 0, refused[key])
        return set(refused)

    def _count_taken(
        self, taken: Iterable[Attempts], pairs: Counter[Place]
    ) -> dict[str, Counter[Place]]:
        """Return how many units were all taken at each place, of senders and domains at those
        alone that have cells: there are many, and most are never refused."""
        counts: dict[str, Counter[Place]] = {"ip": pairs, "provider": Counter()}
        for (provider, _), count in pairs.items():
            counts["provider"][provider, ""] += count
        for name, place in _PLACES:
            known = self.cells.places(name)
            counts[name] = Counter(filter(known.__contains__, map(itemgetter(0, place), taken)))
        return counts

    def _collect_refused(
        self, refusals: Sequence[Attempts]
    ) -> dict[Key, list[tuple[Attempts, float]]]:
        """Return the rows and their refused share by cell; cells that are new begin."""
        for row in refusals:
            for key in keys_of(row):
                if key not in self.cells:
                    self.cells.put(key, self._begin(key, row))
        refused: dict[Key, list[tuple[Attempts, float]]] = {}
        for row in refusals:
            for key in (key for place in places_of(row) for key in self.cells.at(*place)):
                if (share := share_in(key, row)) is not None:
                    refused.setdefault(key, []).append((row, share))
        return refused

    def _update(self, key: Key, taken: int, refused: Iterable[tuple[Attempts, float]]) -> None:
        cell = self.cells[key]
        cell.add(taken, refused, once_in_s=ONCE_IN_S.get(key.kind, 0.0))
        if not cell.s:
            self.cells.remove(key)

    def _begin(self, key: Key, row: Attempts) -> Cell:
        known, provider = self.baseline, key.provider
        if key.kind == "ip":
            return Cell(_pair(row), known.of_ip(provider, row.ip))
        if key.kind == "reply":
            fingerprint = key.subject.rpartition(" ")[2]
            return Cell(_pair(row), known.of_reply(provider, fingerprint, row.ip))
        usual = known.of_provider(provider, of_all=key.kind == "provider")
        return Cell((provider, key.subject), usual)

    def _note_retries(self, row: Attempts) -> set[Key]:
        """Count what was refused again in the cells of a row; return those."""
        keys = {key for place in places_of(row) for key in self.cells.at(*place)}
        for key in keys:
            self.cells[key].refused_later += row.refused_later
        return keys

    def _forget(self, now: float) -> None:
        """Once an hour: learn what was counted, let it fade, and forget old cells and the smallest
        of too many."""
        self._learn_hour()
        self.baseline.fade(now)
        for key, cell in self.cells.items():
            if now - cell.refused_at > FORGET_AFTER_S:
                self.cells.remove(key)
        excess = max(0, len(self.cells) - MAX_CELLS)
        self.dropped_cells += excess
        for key, _ in sorted(self.cells.items(), key=lambda each: each[1].s)[:excess]:
            self.cells.remove(key)

    def threshold(self) -> float:
        """Return h, the same for all cells: together they raise ACCEPTED_A_MONTH."""
        units = self.baseline.units_a_month() * len(KINDS)
        return compute_threshold(units, ACCEPTED_A_MONTH)

    def _raise_alarms(self, keys: set[Key], now: float, look_back: LookBack) -> list[Change]:
        threshold, cells = self.threshold(), self.cells
        over = [key for key in keys if key in cells and cells[key].is_alarm(key.kind, threshold)]
        changes: list[Change] = []
        for key in sorted(over, key=lambda key: (-cells[key].s, key)):
            cell = self.cells.get(key)
            if cell is not None and len(self.watches) < MAX_WATCHES:
                changes += self._judge(key, cell, now, look_back)
        return changes

    def _judge(self, key: Key, cell: Cell, now: float, look_back: LookBack) -> list[Change]:
        """Open the block that explains a cell over the threshold, if there is one."""
        provider, of_all = key.provider, key.kind == "provider"
        since = max(cell.since, now - MAX_LOOK_BACK_S)
        known = [
            watch for watch in self.watches
            if watch.provider == provider and watch.started_at < since - EXPLAINS_AFTER_S
        ]  # fmt: skip
        rows = [
            row for row in look_back(provider, since - since % MINUTE_S)
            if not any(watch.explains(row) for watch in known)
        ]  # fmt: skip
        usual = self.baseline.of_provider(provider, of_all=of_all)
        ip = key.subject.partition(" ")[0] if key.kind in {"ip", "reply"} else ""
        cause = explain(rows, usual, ip=ip, of_all=of_all)
        if cause is None or self._is_no_block(provider, cause, rows):
            self.cells.remove(key)
            return []
        watch = _open(Watch(cause.kind, provider, cause.subject, usual, since, now, now), rows)
        if watch.refused < MIN_MESSAGES[cause.kind]:
            return []  # not yet
        self.watches.append(watch)
        self._forget_cells(watch)
        self.learnt_refusals = [row for row in self.learnt_refusals if not _is_of(watch, row)]
        return [Change(watch), *self._absorb(watch, since)]

    def _is_no_block(self, provider: str, cause: Explanation, rows: Sequence[Attempts]) -> bool:
        """Return whether it is known already, or hardly anybody answers an IP of ours."""
        if any(w.provider == provider and w.explanation == cause for w in self.watches):
            return True
        if sum(row.unreached for row in rows) <= sum(row.refused for row in rows):
            return False
        ips = {row.ip for row in rows if row.unreached}
        return cause.kind != "provider" or self._is_our_network(provider, ips)

    def _absorb(self, watch: Watch, since: float) -> list[Change]:
        """End the blocks of which this one is the whole: of a provider that is down all,
        of a domain those of its senders."""
        if watch.kind not in {"provider", "domain"}:
            return []
        parts = [
            each for each in self.watches
            if each.provider == watch.provider and each is not watch
            and each.started_at > since - ABSORBED_WITHIN_S
            and (watch.of_all or (each.kind == "sender" and [*each.domains] == [watch.subject]))
        ]  # fmt: skip
        for each in parts:
            watch.started_at = min(watch.started_at, each.started_at)
        gone = {id(each) for each in parts}
        self.watches = [each for each in self.watches if id(each) not in gone]
        return [Change(each, watch.found_at, "merged") for each in parts]

    def _forget_cells(self, watch: Watch) -> None:
        """Forget the cells of the provider's mail: what is not explained begins anew."""
        for key in self.cells.of_provider(watch.provider):
            self.cells.remove(key)

    def _is_our_network(self, provider: str, ips: set[str]) -> bool:
        """Return whether these IPs reach hardly anybody else either."""
        units, unreached = 0, 0
        providers = set()
        for attempts, without_answer in self._recent:
            for (name, ip), count in without_answer.items():
                if name != provider and ip in ips:
                    unreached += count
                    providers.add(name)
            units += sum(n for (name, ip), n in attempts.items() if name != provider and ip in ips)
        return len(providers) >= OWN_PROVIDERS and unreached >= OWN_SHARE * units


def _count_unreached(refusals: Iterable[Attempts]) -> Counter[tuple[str, str]]:
    return Counter(_pair(row) for row in refusals if row.unreached)


def _is_of(watch: Watch, row: Attempts) -> bool:
    return row.provider == watch.provider and watch.explains(row)


def _open(watch: Watch, rows: Iterable[Attempts]) -> Watch:
    """Return the watch over a block, with what was refused since it began."""
    its = [row for row in rows if watch.explains(row)]
    first = [row.refused_at for row in its if row.refused or (watch.of_all and row.unreached)]
    watch.started_at = min(first, default=watch.started_at)
    watch.add(its, watch.found_at - MINUTE_S)
    watch.good = 0.0
    return watch
