r"""Lines for ZoneMTA's `bounces.txt`: expression, action, category, message. Pure.

ZoneMTA splits a line at commas and matches the expression without regard to case against the reply
on one line (lib/bounces.js), so an expression has no comma: a dot stands for it.
"""

import re

from server.events.bounce_classes.classes import BounceClass

#: Class → ZoneMTA's category, and what it does with a refusal for good. `defer` lets it try another
#: IP, `slowdown` waits; a refusal for now is always deferred or slowed down.
CATEGORIES: dict[BounceClass, tuple[str, str]] = {
    "recipient": ("recipient", "reject"),
    "full": ("capacity", "reject"),
    "size": ("message", "reject"),
    "sender": ("config", "reject"),
    "rate": ("rate", "slowdown"),
    "greylisted": ("greylist", "defer"),
    "reputation": ("blacklist", "defer"),
    "content": ("spam", "reject"),
    "authentication": ("auth", "reject"),
    "policy": ("policy", "reject"),
    "network": ("network", "defer"),
    "protocol": ("protocol", "reject"),
    "other": ("other", "reject"),
    "unknown": ("other", "reject"),
}
_PLACE = re.compile(r"<(?:address|host|url|ip|id|time|n)>")
# Of ECMAScript's expressions; a comma ends ours.
_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}/,]")
_HEAD = re.compile(r"([2-5]\d\d)(?: |$)([245]\.\d{1,3}\.\d{1,3}\b)?")
# ZoneMTA takes code and status off each further line of a reply.
_STATUS = re.compile(r"(?<![\w.#(])[245]\.\d{1,3}\.\d{1,3}\b")


def format_line(text: str, bounce_class: BounceClass) -> str:
    """Return the line for a reply's text without what differs (`server.events.replies`)."""
    category, action = CATEGORIES[bounce_class]
    head = _HEAD.match(text)
    begin, rest = "", text
    if head:
        code, status = head.groups()
        begin = rf"^{code}[\s-]+" + (_escape_all(status) if status else "")
        rest = text[head.end() :]
        action = "defer" if code[0] == "4" and action == "reject" else action
    pieces = [_escape_all(piece.strip()) for piece in _PLACE.split(_STATUS.sub("<n>", rest))]
    # Between words there may be several blanks, or a line's end.
    pattern = ".*".join(re.sub(r" +", r"\\s+", piece) for piece in pieces)
    between = r"\s*" if begin and pieces[0] else ""
    return f"{begin}{between}{pattern},{action},{category},Assigned: {bounce_class}"


def _escape_all(text: str) -> str:
    return _SPECIAL.sub(_escape, text)


def _escape(special: re.Match[str]) -> str:
    return "." if special[0] == "," else "\\" + special[0]
