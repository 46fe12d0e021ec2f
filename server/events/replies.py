"""Replies of remote servers: their class, RFC 3463's status, and the text without what differs
from message to message. Pure.

docs/capture.md has the table of classes; tests/contract/reply_fingerprint.json the vectors.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple

BounceClass = Literal[
    "recipient", "full", "size", "sender", "rate", "greylisted", "reputation", "content",
    "authentication", "policy", "network", "protocol", "other", "unknown",
]  # fmt: skip

#: More of a reply is not stored, and so not read.
MAX_REPLY_CHARS = 500
FINGERPRINT_BYTES = 8


class Meaning(NamedTuple):
    """What a reply means. `status` is RFC 3463's, of the remote server where it gave one, else what
    the class and the reply's code amount to; None where neither is known."""

    bounce_class: BounceClass
    status: str | None


# ZoneMTA's categories: its hints, each with the subject and detail of RFC 3463 they amount to.
CATEGORIES: dict[str, tuple[BounceClass, str]] = {
    "recipient": ("recipient", "1.1"),
    "envelope": ("recipient", "1.0"),
    "capacity": ("full", "2.2"),
    "sender": ("sender", "1.8"),
    "config": ("sender", "3.5"),
    "rate": ("rate", "7.0"),
    "greylist": ("greylisted", "7.0"),
    "blacklist": ("reputation", "7.1"),
    "block": ("reputation", "7.1"),
    "spam": ("content", "7.1"),
    "virus": ("content", "7.1"),
    "message": ("content", "6.0"),
    "auth": ("authentication", "7.0"),
    "dmarc": ("authentication", "7.1"),
    "policy": ("policy", "7.1"),
    "network": ("network", "4.0"),
    "dns": ("network", "4.3"),
    "http": ("network", "4.0"),
    "protocol": ("protocol", "5.0"),
    "plugin": ("policy", "7.0"),
    "other": ("other", "0.0"),
}
# The class of a remote server's own RFC 3463 status, without its first digit. 7.1 and 7.0
# are not here: everything is refused with them. Nor is 2.0, "something with the mailbox".
STATUSES: dict[str, BounceClass] = {
    "1.0": "recipient", "1.1": "recipient", "1.2": "recipient", "1.3": "recipient",
    "1.4": "recipient", "1.6": "recipient", "1.10": "recipient",
    "1.7": "sender", "1.8": "sender", "1.9": "protocol",
    "2.1": "recipient", "2.2": "full", "2.3": "size", "2.4": "other",
    "3.1": "full", "3.2": "network", "3.3": "protocol", "3.4": "size", "3.5": "network",
    "4.0": "network", "4.1": "network", "4.2": "network", "4.3": "network", "4.4": "network",
    "4.5": "rate", "4.6": "network", "4.7": "network",
    "5.1": "protocol", "5.2": "protocol", "5.3": "rate", "5.4": "protocol", "5.5": "protocol",
    "6.1": "content", "6.2": "content", "6.3": "content", "6.5": "content", "6.6": "content",
    "7.2": "policy", "7.8": "authentication", "7.9": "authentication",
    "7.20": "authentication", "7.21": "authentication", "7.22": "authentication",
    "7.23": "authentication", "7.24": "authentication", "7.25": "reputation",
    "7.26": "authentication", "7.27": "authentication", "7.28": "rate",
    "7.29": "authentication", "7.30": "authentication",
}  # fmt: skip
# Words that are more precise than a category that is known to be too wide: first match decides.
_WORDS: tuple[tuple[str, BounceClass, str], ...] = (
    (r"gr[ae]y-?list", "greylisted", "7.0"),
    (r"rate.?limit|too many (connections|messages|recipients)|throttl", "rate", "7.0"),
    (r"over ?quota|mailbox (is )?full|quota exceeded|insufficient .{0,20}storage", "full", "2.2"),
    (r"\b(spamhaus|barracuda|sorbs|spamcop|rbl|dnsbl|blocklist|black-?list)", "reputation", "7.1"),
    (r"\b(dmarc|dkim|spf)\b", "authentication", "7.1"),
    (r"connection (closed|refused|reset)|timed ?out", "network", "4.2"),
    (
        r"(no such|unknown|invalid) (user|recipient|mailbox|address)|(user|recipient) unknown",
        "recipient",
        "1.1",
    ),
    (r"\bspam\b", "content", "7.1"),
)
# Of these ZoneMTA's rules are so wide that the words go first (a plain 451 is "greylist" to it, a
# rate limit "capacity").
_WIDE = frozenset({"greylist", "capacity", "recipient", "other", "policy", "message"})

_HEAD = re.compile(r"\s*([2-5]\d\d)(?:[ -]|$)\s*([245]\.\d{1,3}\.\d{1,3}\b)?")


def find_meaning(category: str | None, reply: str | None, *, code: int | None = None) -> Meaning:
    """Return what a refusal means: the remote's own status goes first where it is specific, then
    its words where the category is wide, then the category."""
    text = (reply or "")[:MAX_REPLY_CHARS]
    head = _HEAD.match(text)
    given = head[2] if head else None
    first = _first_digit(given, code if code is not None else (int(head[1]) if head else None))
    detail = given.partition(".")[2] if given else ""
    known = (category or "").lower()
    if detail in STATUSES:
        return Meaning(STATUSES[detail], given)
    if known in _WIDE or known not in CATEGORIES:
        for pattern, bounce_class, status in _WORDS:
            if re.search(pattern, text, re.IGNORECASE):
                return Meaning(bounce_class, given or _status(first, status))
    if known in CATEGORIES:
        bounce_class, status = CATEGORIES[known]
        if known == "greylist":
            # Without the word in it, it is only "try again later".
            bounce_class, status = "other", "0.0"
        return Meaning(bounce_class, given or _status(first, status))
    return Meaning("other" if text else "unknown", given or _status(first, "0.0"))


def _first_digit(given: str | None, code: int | None) -> str | None:
    if given:
        return given[0]
    return str(code)[0] if code is not None and 400 <= code < 600 else None  # noqa: PLR2004


def _status(first: str | None, detail: str) -> str | None:
    return f"{first}.{detail}" if first else None


_URL = re.compile(r"(https?://[^\s/?#<>()]+)[^\s<>]*", re.IGNORECASE)
# Bounded and possessive where a run could be tried again from each of its characters: linear time.
_ADDRESS = re.compile(r"<?[^\s<>@\"'(),:;]{1,128}+@[\w.-]*\w>?")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_IP4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)")
_IP6 = re.compile(r"(?<![\w:])(?=[0-9a-f:]*:[0-9a-f:]*:)[0-9a-f:]{3,39}(?![\w:])", re.IGNORECASE)
_TIME = re.compile(
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\b(?:\w{3}, ?)?\d{1,2} \w{3} \d{4} \d\d:\d\d(?::\d\d)?(?: ?[+-]\d{4})?"
)
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=+-]*[A-Za-z0-9=]")
# A server's own name of a rule, such as OFR005_104 or SC-001: what it is about, not an id.
_RULE = re.compile(r"[A-Z]{1,8}[-_]?\d{1,6}(?:_\d{1,6})?")
_HEX = re.compile(r"[0-9A-Fa-f]{8,}")
_NUMBER = re.compile(r"(?<![\w.#<-])\d++(?:\.\d++)?+(?![\w.]*\w)")
_RFC = re.compile(r"RFC ?$", re.IGNORECASE)
RFC_CHARS = len("RFC ")
_SPACE = re.compile(r"\s+")
ID_CHARS, ID_DIGITS = 10, 2


@lru_cache(maxsize=4096)
def normalize(reply: str) -> str:
    """Return the reply on one line, with addresses, IPs, ids, times and numbers replaced by what
    they are. The same text of a thousand messages becomes one."""
    text = _SPACE.sub(" ", reply[:MAX_REPLY_CHARS]).strip()
    head = _HEAD.match(text)
    begin, rest = (
        (text[: head.end()].replace("-", " ", 1), text[head.end() :]) if head else ("", text)
    )
    if head:
        # Each further line of a reply repeats the code, and mostly the status.
        again = rf" {head[1]}[- ](?:{re.escape(head[2])} ?)?" if head[2] else rf" {head[1]}[- ]"
        rest = re.sub(again, " ", rest)
    rest = replace_variables(rest)
    return _SPACE.sub(" ", f"{begin.strip()} {rest.strip()}").strip()


def replace_variables(rest: str) -> str:
    """Replace what varies from message to message by what it is, in linear time."""
    rest = _URL.sub(r"\1/", rest)
    rest = _ADDRESS.sub("<address>", rest)
    rest = _TIME.sub("<time>", rest)
    rest = _UUID.sub("<id>", rest)
    rest = _IP4.sub("<ip>", rest)
    rest = _IP6.sub("<ip>", rest)
    rest = _TOKEN.sub(_without_id, rest)
    return _NUMBER.sub(_without_number, rest)


def fingerprint(reply: str) -> str:
    """Return a short name of the text, the same for replies that differ only in what `normalize`
    takes out, or in upper and lower case. 16 hexadecimal characters."""
    text = normalize(reply).casefold()
    return blake2b(text.encode("utf-8", "replace"), digest_size=FINGERPRINT_BYTES).hexdigest()


def _without_id(match: re.Match[str]) -> str:
    token = match[0]
    digits = sum(character.isdigit() for character in token)
    if digits == 0 or _RULE.fullmatch(token):
        return token
    letters = sum(character.isalpha() for character in token)
    if letters and _HEX.fullmatch(token):
        return "<id>"
    if letters and digits >= ID_DIGITS and len(token) >= ID_CHARS:
        return "<host>" if token.count(".") >= 2 and not token[-1].isdigit() else "<id>"  # noqa: PLR2004
    return token


def _without_number(match: re.Match[str]) -> str:
    before = match.string[max(0, match.start() - RFC_CHARS) : match.start()]
    return match[0] if _RFC.search(before) else "<n>"
