"""The class of a refusal, from the remote server's reply and ZoneMTA's category. Pure.

Evidence in this order: a status that says more than words; codes of a provider; the words without
addresses, host names and URLs; any other status; ZoneMTA's category. What none of them knows is
`other`. docs/replies.md has the classes; rules/ has the rules.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from server.events.bounce_classes.classes import CATEGORIES, CERTAIN, STATUSES, BounceClass
from server.events.bounce_classes.rules import FOLDER, Rule, RuleSet, fold, read_rules
from server.events.replies import MAX_REPLY_CHARS, normalize

CODES = RuleSet(read_rules(FOLDER / "codes.toml"))
WORDS = RuleSet(rule for path in sorted(FOLDER.glob("words*.toml")) for rule in read_rules(path))

#: So many texts are remembered with what they mean: word for word, and without their ids.
MAX_REMEMBERED = 16_384

_STATUS = re.compile(r"(?<![\w.])[245]\.\d{1,3}\.\d{1,3}(?![\w-]|\.\d)")
_BEGIN = re.compile(r"\s*(?:[2-5]\d\d[ -]\s*)?[#(\[<]*")
# Further on: behind a mark, behind a code, or behind a code and the host that answers.
_BEFORE = re.compile(r"[#(\[<]$|\b[2-5]\d\d[ -]$|^[2-5]\d\d[ -][\w-]+\.[\w.-]{1,250}:? $")
_CODE = re.compile(r"\s*([45])\d\d(?:[\s-]|$)")
_URL = re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)
_TAIL = re.compile(r"(https?://[^\s/?#<>()]+)([^\s<>]*)", re.IGNORECASE)
# What a provider means by the address of a page: words, and names such as BL000000.
_NAME = re.compile(r"(?<![\w.])(?:[A-Za-z]{2,}|[A-Z]{1,4}\d{1,6})(?![\w.])")
# In lower case at its end: "is full.Please" is no host.
_HOST = re.compile(r"(?<![\w.-])(?:[A-Za-z0-9-]+\.)+[a-z]{2,24}(?![\w-])")
_ADDRESS = re.compile(r"[^\s<>@\"'(),:;]{1,128}+@[\w.-]*")
# A code, such as [TSS04], OFR005_104, 5.7.606 or #5.1.1; other words with digits are ids and IPs.
_CODE_WORD = re.compile(
    r"\W*(?:\d{1,3}(?:[.-]\d{1,3}){0,2}(?:-\d\.\d\.\d)?|[A-Za-z]{1,8}\W{0,2}\w{0,3}-?\d{1,7}(?:_\d{1,6})?)\W*"
)
_WITH_DIGIT = re.compile(r"(?<![\w.:-])[\w.:-]*\d[\w.:-]*")
# Of no width, or a direction: hides a word from a rule, not from a reader.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0e-\x1f\x7f]")


class Meaning(NamedTuple):
    """What a reply means. `status` is RFC 3463's, as the server gave it; None: it gave none."""

    bounce_class: BounceClass
    status: str | None


@lru_cache(maxsize=MAX_REMEMBERED)
def find_meaning(category: str | None, reply: str | None, *, code: int | None = None) -> Meaning:
    """Return what a refusal means. `code` is SMTP's, where the reply does not begin with it."""
    text = (reply or "")[:MAX_REPLY_CHARS]
    status = read_status(text, code)
    found = _by_status(CERTAIN, status) or _remember(text) or _by_status(STATUSES, status)
    if found is None:
        found = CATEGORIES.get((category or "").lower(), "other" if text.strip() else "unknown")
    return Meaning(found, status)


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
    text = reply[:MAX_REPLY_CHARS]
    # Sendmail writes `alice@example.com...User unknown`.
    plain = _INVISIBLE.sub("", normalize(text.replace("...", " ... ")))
    words = fold(_HOST.sub("<host>", _URL.sub("<url>", plain)))
    names = " ".join(name for _, tail in _TAIL.findall(text) for name in _NAME.findall(tail))
    return CODES.find(fold(f"{plain} {names}")) or WORDS.find(words)


def _by_status(table: dict[str, BounceClass], status: str | None) -> BounceClass | None:
    return table.get(status[2:]) if status else None


_remembered: dict[str, BounceClass | None] = {}


def _remember(text: str) -> BounceClass | None:
    """Return what the rules say, in less time where only ids and IPs are new."""
    key = " ".join([word if word.isalpha() else _shape(word) for word in text.split()])
    try:
        return _remembered[key]
    except KeyError:
        rule = find_rule(text)
        if len(_remembered) >= MAX_REMEMBERED:
            _remembered.clear()
        found = _remembered[key] = rule.bounce_class if rule else None
        return found


@lru_cache(maxsize=MAX_REMEMBERED)
def _shape(word: str) -> str:
    """Return a word, or what is left of it for a rule to read if it has an id or an address."""
    if "://" in word:
        return _TAIL.sub(lambda url: " ".join([url[1], *_NAME.findall(url[2])]), word)
    if "@" in word:
        return _ADDRESS.sub("@", word)
    return word if _CODE_WORD.fullmatch(word) else _WITH_DIGIT.sub("#", word)
