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
_CODE = re.compile(r"([2-5])\d\d(?= |$)")


def format_line(text: str, bounce_class: BounceClass) -> str:
    """Return the line for a reply's text without what differs (`server.events.replies`)."""
    category, action = CATEGORIES[bounce_class]
    code = _CODE.match(text)
    if code and code[1] == "4" and action == "reject":
        action = "defer"
    pieces = [_SPECIAL.sub(_escape, piece) for piece in _PLACE.split(text)]
    # Codes of further lines stand where the text has none: any marks may come between its words.
    pattern = ".*".join(re.sub(r" +", r"\\s+", piece.strip()) for piece in pieces)
    begin = "^" if code else ""
    return f"{begin}{pattern},{action},{category},Assigned: {bounce_class}"


def _escape(special: re.Match[str]) -> str:
    return "." if special[0] == "," else "\\" + special[0]
