"""Message: what a notification says, whatever the channel. Pure.

Sentences, subjects and evidence hold text from outside (replies, addresses, names of nodes): it is
cleaned here once, and each channel marks it as plain text in its own way.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: Bounds of a message, well within those of each service.
MAX_TITLE_CHARS, MAX_TEXT_CHARS = 200, 500
MAX_EVIDENCE, MAX_EVIDENCE_CHARS = 8, 200
#: Alerts that a digest names; it counts the others.
MAX_LISTED = 20
#: Of no width, or a direction, or a command of a terminal: a reader would not see what is there.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]+"
)
VERBS = {
    "firing": "FIRING",
    "resolved": "RESOLVED",
    "repeated": "STILL FIRING",
    "escalated": "ESCALATED",
    "test": "TEST",
}


def clean(text: object, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Return text on one line, without controls and marks of direction, cut where it is too long.

    Each run of them becomes a blank, so that words stay apart.
    """
    plain = " ".join(_UNSEEN.sub(" ", str(text)).split())
    return plain if len(plain) <= max_chars else plain[: max_chars - 1] + "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Message:
    """One notification. Texts are clean.

    `key`: the idempotency key. `alert`: the name of the alert, the same from firing to all-clear.
    `listed`: of a digest, the sentence of each alert, `count` of them in all.
    """

    key: str
    kind: str
    severity: str
    rule: str
    alert: str
    subject: str
    node: str
    text: str
    at: datetime
    started_at: datetime
    url: str = ""
    acknowledge_url: str = ""
    incident: int | None = None
    value: float | None = None
    evidence: tuple[tuple[str, str], ...] = ()
    listed: tuple[str, ...] = field(default=())
    count: int = 1

    @property
    def title(self) -> str:
        """The first line: what kind of news, how urgent, and the sentence."""
        if self.count > 1:
            return clean(f"{self.count} alerts: {self.text}", MAX_TITLE_CHARS)
        mark = VERBS[self.kind] if self.kind != "firing" else self.severity.upper()
        return clean(f"{mark}: {self.text}", MAX_TITLE_CHARS)

    @property
    def lines(self) -> list[str]:
        """All of it as lines of plain text, without the title and the links."""
        lines = [f"- {each}" for each in self.listed]
        if self.count > len(self.listed) > 0:
            lines.append(f"and {self.count - len(self.listed)} more")
        if not lines:
            lines = [f"{name}: {value}" for name, value in self.evidence]
        if self.node and self.node != self.subject:
            lines.append(f"node: {self.node}")
        lines.append(f"since: {self.started_at:%Y-%m-%d %H:%M:%S} UTC")
        return lines

    @property
    def body(self) -> str:
        """Title and lines as one plain text."""
        return "\n".join([self.title, *self.lines])

    @property
    def links(self) -> list[tuple[str, str]]:
        """Names and addresses of our own pages."""
        named = (("Open", self.url), ("Acknowledge", self.acknowledge_url))
        return [(name, url) for name, url in named if url]

    @property
    def link_lines(self) -> list[str]:
        """The links as lines of plain text."""
        return [f"{name}: {url}" for name, url in self.links]

    @property
    def is_over(self) -> bool:
        """Whether it is the all-clear."""
        return self.kind == "resolved"

    def as_json(self) -> dict[str, Any]:
        """Return the body of a webhook; docs/notifications.md describes it."""
        return {
            "version": 1,
            "key": self.key,
            "kind": self.kind,
            "severity": self.severity,
            "rule": self.rule,
            "alert": self.alert,
            "subject": self.subject,
            "node": self.node or None,
            "text": self.text,
            "at": self.at.isoformat(),
            "started_at": self.started_at.isoformat(),
            "incident": self.incident,
            "value": self.value,
            "evidence": [{"name": name, "value": value} for name, value in self.evidence],
            "alerts": list(self.listed),
            "alerts_count": self.count,
            "url": self.url or None,
            "acknowledge_url": self.acknowledge_url or None,
        }


def read_evidence(evidence: Any) -> tuple[tuple[str, str], ...]:
    """Return an alert's evidence as clean pairs, the first few of them; nested values as text."""
    if not isinstance(evidence, dict):
        return ()
    pairs = [
        (clean(name, 64).replace("_", " "), clean(value, MAX_EVIDENCE_CHARS))
        for name, value in evidence.items()
        if value not in (None, "", [], {})
    ]
    return tuple(pairs[:MAX_EVIDENCE])
