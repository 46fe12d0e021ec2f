"""Replies of remote servers: the text without what differs from message to message. Pure.

tests/contract/reply_fingerprint.json has the vectors; bounce_classes/ finds what a reply means.
"""

import re
from functools import lru_cache
from hashlib import blake2b

#: More of a reply is not stored, and so not read.
MAX_REPLY_CHARS = 500
FINGERPRINT_BYTES = 8


_HEAD = re.compile(r"\s*([2-5]\d\d)(?:[ -]|$)\s*([245]\.\d{1,3}\.\d{1,3}\b)?")


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
