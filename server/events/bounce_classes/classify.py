"""The class of a refusal, from the remote server's reply and ZoneMTA's category. Pure.

Evidence in this order: what a person assigned; a status that says more than words; codes of a
provider; the words without addresses, host names and URLs; any other status; ZoneMTA's category.
What none of them knows is `other`. docs/replies.md has the classes; rules/ has the rules.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from server.events.bounce_classes import assigned
from server.events.bounce_classes.classes import (
    CATEGORIES,
    CERTAIN,
    PERMANENT,
    STATUSES,
    STRONG,
    BounceClass,
)
from server.events.bounce_classes.rules import FOLDER, Rule, RuleSet, fold, read_rules
from server.events.replies import MAX_REMEMBERED, NO_REPLY, read_reply

CODES = RuleSet(read_rules(FOLDER / "codes.toml"))
WORDS = RuleSet(rule for path in sorted(FOLDER.glob("words*.toml")) for rule in read_rules(path))

_STATUS = re.compile(r"(?<![\w.])[245]\.\d{1,3}\.\d{1,3}(?![\w-]|\.\d)")
_BEGIN = re.compile(r"\s*(?:[2-5]\d\d[ -]\s*)?[#(\[<]*")
# Further on: behind a mark, behind a code, or behind a code and the host that answers.
# In a text without what varies, `:550 5.1.1` is `:<n> 5.1.1`.
_BEFORE = re.compile(
    r"[#(\[<]$|(?:\b[2-5]\d\d[ -]|:<n> )$|^[2-5]\d\d[ -](?:<host>|[\w-]+\.[\w.-]{1,250}):? $"
)
_CODE = re.compile(r"\s*([45])\d\d(?:[\s-]|$)")
_URL = re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)
_TAIL = re.compile(r"https?://[^\s/?#<>()]+([^\s<>]*)", re.IGNORECASE)
# In lower case at its end: "is full.Please" is no host.
_HOST = re.compile(r"(?<![\w.-])(?:[A-Za-z0-9-]+\.)+[a-z]{2,24}(?![\w-])")
# Postfix says so of any reason that it then names, which need not be the recipient's.
_REFUSED = re.compile(
    r"recipient address(?:es)? rejected ?: ?(?!access denied)(?=\S+ \S)", re.IGNORECASE
)
# IronPort says so of any reply that it then quotes.
_WRAPPER = re.compile(r"^[245]\.\d\.\d - [\w ]{1,40}?(?=[45]\d\d[- ])", re.IGNORECASE)


class Meaning(NamedTuple):
    """What a reply means. `status` is RFC 3463's, as the server gave it; None: it gave none."""

    bounce_class: BounceClass
    status: str | None


def find_meaning(category: str | None, reply: str | None, *, code: int | None = None) -> Meaning:
    """Return what a refusal means. `code` is SMTP's, where the reply does not begin with it."""
    text, name = read_reply(reply) if reply else NO_REPLY
    found, status = _find(text, code // 100 if code else 0)
    found = assigned.find(name) or found
    return Meaning(
        found or CATEGORIES.get((category or "").lower(), "other" if text else "unknown"), status
    )


@lru_cache(maxsize=MAX_REMEMBERED)
def _find(text: str, code_class: int) -> tuple[BounceClass | None, str | None]:
    """Return the class, if anything names one, and the status of a text without what varies."""
    status = read_status(text, code_class * 100 if code_class else None)
    detail = status[2:] if status else ""
    if detail in CERTAIN:
        return CERTAIN[detail], status
    rule = _find_code(text)
    if rule is None and detail in STRONG:
        return STRONG[detail], status
    reason, words = _read_words(text)
    rule = rule or (WORDS.find(reason) if reason else WORDS.find(words))
    if rule:
        return rule.bounce_class, status
    is_permanent = status is not None and status.startswith("5")
    of_status = STATUSES.get(detail) or (PERMANENT.get(detail) if is_permanent else None)
    # A reason that no rule knows says less than the status, and the recipient is what is left.
    rule = WORDS.find(words) if reason and of_status is None else None
    return rule.bounce_class if rule else of_status, status


def read_status(text: str, code: int | None = None) -> str | None:
    """Return the status that the remote server gave. Numbers of an IP or a version are none."""
    head = _CODE.match(text)
    first = head[1] if head else str(code)[0] if code is not None else None
    for match in _STATUS.finditer(text):
        before = text[: match.start()]
        at_begin = _BEGIN.fullmatch(before)
        if at_begin or (first in {None, match[0][0]} and _BEFORE.search(before)):
            return match[0]
    return None


def find_rule(reply: str) -> Rule | None:
    """Return the rule that knows a reply: of the codes, else of the words."""
    text = read_reply(reply).text
    return _find_code(text) or _find_words(text)


def _find_code(text: str) -> Rule | None:
    # What a provider means by the address of a page is read like its codes.
    names = " ".join(_TAIL.findall(text))
    return CODES.find(fold(f"{text} {names}"))


def _find_words(text: str) -> Rule | None:
    reason, words = _read_words(text)
    return (WORDS.find(reason) if reason else None) or WORDS.find(words)


def _read_words(text: str) -> tuple[str, str]:
    """Return the reason behind "Recipient address rejected: ", empty without one, and all words,
    as the rules read them."""
    # Sendmail writes `alice@example.com...User unknown`.
    words = fold(_HOST.sub("<host>", _URL.sub("<url>", text.replace("...", " ... "))))
    words = words.replace("_", " ")  # ADDRESS_NOT_FOUND
    reason = _REFUSED.sub("", _WRAPPER.sub("", words))
    return ("" if reason == words else reason), words
