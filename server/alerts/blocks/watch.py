"""Watch over one open block: what is refused, whose mail that is, when it is taken again. Pure.

It ends when the reversed sum, the log-likelihood of "refused as usual" against "refused as in this
block", has risen by END: two or three units that are taken where all were refused, more of them
where a share always was.
"""

from collections.abc import Iterable
from math import log

import msgspec

from server.alerts.blocks.attempts import UNREACHABLE, Attempts, Reply
from server.alerts.blocks.cells import OTHERS
from server.alerts.blocks.comparison import Explanation

#: How far the reversed sum rises before a block is over: 1 in 400 by chance.
END = 6.0
#: Bounds of the share that counts as the block's.
MIN_BLOCK_SHARE, MAX_BLOCK_SHARE = 0.3, 0.95
#: A block that nobody has tried for so long is closed without knowing.
UNTRIED_AFTER_S = 7 * 86_400.0
MAX_NAMES = 200


class ReplyCount(msgspec.Struct):
    """How often one reply refused, and what it means."""

    bounce_class: str
    is_permanent: bool
    messages: int = 0


class Watch(msgspec.Struct):
    """An open block. `usual`: p0 of what it explains; times in seconds since 1970."""

    kind: str
    provider: str
    subject: str
    usual: float
    started_at: float
    found_at: float
    attempted_at: float
    refused_at: float = 0.0
    permanent_at: float = 0.0
    units: float = 0.0
    refused_units: float = 0.0
    taken: int = 0
    refused: int = 0
    good: float = 0.0
    good_since: float = 0.0
    senders: dict[str, int] = {}
    domains: dict[str, int] = {}
    ips: dict[str, int] = {}
    replies: dict[str, ReplyCount] = {}

    @property
    def explanation(self) -> Explanation:
        return Explanation(self.kind, self.subject)

    @property
    def of_all(self) -> bool:
        return self.kind == "provider"

    def explains(self, row: Attempts) -> bool:
        """Return whether a row of this provider is of what is blocked."""
        return self.kind == "provider" or getattr(row, self.kind) == self.subject

    def add(self, rows: Iterable[Attempts], minute: float) -> None:
        """Count rows that it explains, of one minute."""
        share = min(max(self._share(), MIN_BLOCK_SHARE), MAX_BLOCK_SHARE)
        up, down = log(share / self.usual), log((1 - self.usual) / (1 - share))
        total = 0.0
        for row in rows:
            refused = row.refused + (row.unreached if self.of_all else 0)
            tried = refused + row.refused_later
            taken = row.taken + row.taken_later
            if tried + taken == 0:
                continue
            refused_share = tried / (tried + taken)
            total += (1 - refused_share) * down - refused_share * up
            self.attempted_at = minute
            self.units += 1
            self.refused_units += refused_share
            self.taken += taken
            self.refused += refused
            if refused:
                self._note(row, refused)
        if self.good == 0 and total > 0:
            self.good_since = minute
        self.good = max(0.0, self.good + total)

    def find_end(self, now: float) -> tuple[float, str] | None:
        """Return when and why it is over, or None: `taken` again, or `untried` for days."""
        if self.good >= END:
            return max(self.good_since, self.started_at), "taken"
        if now - self.attempted_at > UNTRIED_AFTER_S:
            return now, "untried"
        return None

    def _share(self) -> float:
        return self.refused_units / self.units if self.units else 1.0

    def _note(self, row: Attempts, refused: int) -> None:
        self.refused_at = max(self.refused_at, row.refused_at)
        for counts, name in (
            (self.senders, row.sender), (self.domains, row.domain), (self.ips, row.ip)
        ):  # fmt: skip
            name = name if name in counts or len(counts) < MAX_NAMES else OTHERS  # noqa: PLW2901
            counts[name] = counts.get(name, 0) + refused
        for reply in row.replies:
            if self.of_all or reply.bounce_class not in UNREACHABLE:
                self._note_reply(reply, row.refused_at)

    def _note_reply(self, reply: Reply, at: float) -> None:
        if reply.is_permanent and not self.permanent_at:
            self.permanent_at = at
        name = reply.fingerprint
        name = name if name in self.replies or len(self.replies) < MAX_NAMES else OTHERS
        known = self.replies.setdefault(name, ReplyCount(reply.bounce_class, reply.is_permanent))
        known.messages += reply.messages
