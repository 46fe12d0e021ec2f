"""Replies of remote servers: the text without what differs from message to message. Pure.

tests/contract/reply_fingerprint.json has the vectors; bounce_classes/ finds what a reply means.
Words are read one by one and remembered, so that a reply costs what is new in it; what takes more
than one word, such as a date, is read once for each text.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

#: More of a reply is not stored, and so not read.
MAX_REPLY_CHARS = 500
#: Of a text, so many characters name it: a longer reply is cut at another word in each message.
NAMED_CHARS = 256
FINGERPRINT_BYTES = 8
#: So many words and so many texts are remembered, and so many replies as they came.
MAX_REMEMBERED, MAX_REPLIES_REMEMBERED = 16_384, 4_096
ID_CHARS, ID_DIGITS, ID_HUMPS, WORD_CHARS, HOST_DOTS = 10, 2, 2, 8, 2

_CODE = r"[2-5]\d\d"
_STATUS = r"[245]\.\d{1,3}\.\d{1,3}\b"
_HEAD = re.compile(rf"({_CODE})(?:[ -]+|$)({_STATUS})?")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
# Of no width, a direction, a colour of a terminal: hides a word from a rule, not from a reader.
_INVISIBLE = re.compile(
    "\x1b\\[[0-9;]{0,16}[A-Za-z]"
    "|[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"
)

# What a word has in it. Bounded and possessive where a run could be tried again from each of its
# characters: linear time.
_PART = re.compile(
    rf"(?P<status>(?<![\w.]){_STATUS}(?![\w]|\.\d))"
    r"|(?P<url>https?://[^\s<>\"]+)"
    r"|(?P<address><?[^\s<>@\"'(),:;=\[\]]{1,128}+@(?:[\w-]++(?:\.[\w-]++)*+|\[[\w.:]*\]|)>?)"
    r"|(?P<name><(?!CR|LF|NUL)[\w.+=/-]{1,128}>)"
    r"|(?P<time>(?<![\w.:/-])(?:"
    r"\d{4}[-/]\d\d[-/]\d\d(?:[T_-]\d\d:?\d\d(?::?\d\d)?(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\d{8}T\d{4,6}Z?"
    rf"|\d{{1,2}}[/-](?:{_MONTH}|\d{{1,2}})[/-]\d{{4}}(?::\d\d:\d\d(?::\d\d)?)?"
    r"|\d{1,2}\.\d{1,2}\.\d{4}"
    r"|\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?)(?![\w:/-]|\.\d))"
    r"|(?P<uuid>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)"
    r"|(?P<ip>(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)"
    r"|(?<![\w:])(?:ipv6:)?(?=[0-9a-f:]*:[0-9a-f:]*:)[0-9a-f:]{3,39}(?:(?:\d{1,3}\.){3}\d{1,3})?(?![\w:]))"
    r"|(?P<host>(?<![\w.-])(?:[a-z0-9_-]+\.)+(?-i:[a-z]{2,24})\b(?![-@]))"
    r"|(?P<size>(?<![\w.#<-])\d++(?:[.,]\d++)*+(?=(?:[kmg]i?b?|bytes?|ms|secs?|s|mins?|h)\b))"
    r"|(?P<token>[a-z0-9_][a-z0-9_.+-]*[a-z0-9=-])",
    re.IGNORECASE,
)
_URL = re.compile(r"(https?://)(?:[^\s/?#<>()@]*@)?([^\s/?#<>()]+)(.*)", re.IGNORECASE)
# What closes a sentence or a bracket around the address of a page, not part of it.
_URL_END = "])>.,;:'\""
# What a provider means by the address of a page: NoSuchUser, BL000000.
_URL_NAME = re.compile(
    r"(?<![\w.-])(?:(?:IPv6|[A-Z][a-z]+)(?:[A-Z][a-z]{2,}|[A-Z]{2,5}(?=[A-Z][a-z]))+|[A-Z]{2,4}0{2,}\d*)(?![\w.-])"
)
# A server's own name of a rule, such as OFR005_104, SC-001 or S2017062302: what it is about.
_RULE = re.compile(
    r"[A-Z]{1,8}[-_]?\d{1,6}(?:_\d{1,6})?|(?:ofr|lpn|ouk)\w{0,3}_\d{3}|(?:S|AS)\d{4,12}|5\d\d[a-z]\w{1,6}|[45]xx"
)
_STANDARD = re.compile(
    r"ipv[46]|tls\S*|ssl\S*|sha-?\d+|utf-?\d+|smtputf8|rfc-?_?\d+|base64|x509|md5|mp[34]|8bit\w*"
    r"|[mo]365|office365|ipv6autherror",
    re.IGNORECASE,
)
_HEX = re.compile(r"[0-9A-Fa-f]{8,}")
_LOWER_ID = re.compile(r"\A(?=[a-z])[a-z_-]*+\d[a-z0-9_-]*+\Z")
_HUMP = re.compile(r"[a-z][A-Z]")
_CAMEL = re.compile(
    r"\A(?:[A-Z][a-z](?=[A-Z])|[a-z]*+)(?:[A-Z]++[a-z]{2,}+|[A-Z]{2,}+(?![a-z]))++\Z"
)
_SEPARATOR = re.compile(r"[^A-Za-z0-9]+")
_NUMBER = re.compile(
    r"(?<![\w.#<-])(?<!AS\()\d++(?:[.,]\d++)?+(?![\w.]*\w)|(?<=#)\d{4,}+(?![\w.]*\w)"
)
# Lists and the makers of filters name themselves: which of them it was is the reason.
_KNOWN_HOST = re.compile(
    r"(?:^|\.)(?:(?=\w*(?:spam|dnsbl|surbl|uribl|reputation|barracuda|blocklist|blacklist))[\w-]++"
    r"|rbl\d*+|bl\d*+"
    r"|proofpoint|mimecast|cloudmark|sorbs|abuseat|abusix|senderscore|senderbase|talosintelligence"
    r"|trendmicro|mail-abuse|uceprotect|invaluement|psbl|manitu|junkemailfilter"
    r"|dronebl|njabl|openspf)\.(?:[\w-]++\.)?[a-z]{2,10}$"
)

# What takes more than a word.
_DATE = re.compile(
    rf"\b(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{{0,6}},? )?"
    rf"(?:<n>[ -]{_MONTH}[ -]<n>|{_MONTH} <n>,?(?: <n>)?)(?=,? <time>|[^\w<]|$)"
    r"|<time>,?(?: at)? (?=<time>)|(?<=<time>)"
    r" (?:[+-](?:<n>|\d{4})(?: \([A-Z]{2,5}\))?|UTC\b|GMT\b|[A-Z]{2,3}T\b)",
    re.IGNORECASE,
)
# Begins at a word, not at each of its brackets.
_BEFORE_IP = re.compile(r"(?<!\S)([^\s\[]*+)\[\S++ (?=IP: )")
_QUOTED = re.compile(
    r"\b(user|mailbox|recipient|account|address|alias|name|id|domain|for|to)(:?)"
    r" (['\"])[^'\" ]{1,64}\3",
    re.IGNORECASE,
)
_LOCAL = re.compile(r"^\S{1,64}\.\.\.(?=\s)")
_AGAIN = re.compile(r"(<(?:ip|time|id|host|n)>)(?:[ ,/]*\1)+")
_CODE_WORD = re.compile(rf"({_CODE})-(.+)")
_CODES = frozenset(map(str, range(200, 600)))
_BARE_CODE = re.compile(rf"(?<![\w.#<-]){_CODE}(?![\w.-]| {_STATUS})")


class Reply(NamedTuple):
    """A reply without what differs from message to message, and the name of that text."""

    text: str
    fingerprint: str


NO_REPLY = Reply("", "")


def find_reply(event: Mapping[str, Any]) -> str | None:
    """Return the reply that an event is about, None where it has none."""
    reply: str | None = event["bounce_message"] or event["status_message"]
    return reply


def normalize(reply: str) -> str:
    """Return the reply on one line, with addresses, hosts, IPs, ids, times and numbers replaced by
    what they are. The same text of a thousand messages becomes one."""
    return read_reply(reply).text


def fingerprint(reply: str) -> str:
    """Return a short name of the text, the same for replies that differ only in what `normalize`
    takes out, or in upper and lower case. 16 hexadecimal characters."""
    return read_reply(reply).fingerprint


_remembered: dict[str, Reply] = {}


@lru_cache(maxsize=MAX_REPLIES_REMEMBERED)  # many servers have no ids in theirs
def read_reply(reply: str) -> Reply:
    """Return the text of a reply and its fingerprint."""
    reply = reply[:MAX_REPLY_CHARS]
    if not reply.isprintable():
        reply = _INVISIBLE.sub("", reply)
    reply = reply.replace("RFC ", "RFC_").replace("rfc ", "rfc_")
    key = " ".join([word if word.isalpha() else _generalize(word) for word in reply.split()])
    try:
        return _remembered[key]
    except KeyError:
        text = _join(key)
        name = blake2b(
            text[:NAMED_CHARS].casefold().encode("utf-8", "replace"), digest_size=FINGERPRINT_BYTES
        )
        if len(_remembered) >= MAX_REMEMBERED:
            _remembered.clear()
        read = _remembered[key] = Reply(text, name.hexdigest())
        return read


@lru_cache(maxsize=MAX_REMEMBERED)
def _generalize(word: str) -> str:
    """Return a word with what varies in it replaced. A number that may be a code stays."""
    if word in _CODES:
        return word
    if head := _CODE_WORD.fullmatch(word):
        return f"{head[1]}-{replace_variables(head[2])}"
    return replace_variables(word)


def replace_variables(text: str) -> str:
    """Replace what varies from message to message by what it is, in linear time."""
    return _NUMBER.sub("<n>", _PART.sub(_replace, text))


def _join(key: str) -> str:
    """Return the text of generalised words on one line, the codes of its further lines left out."""
    head = _HEAD.match(key)
    begin, rest = (" ".join(filter(None, head.groups())), key[head.end() :]) if head else ("", key)
    if head:
        # Each further line of a reply repeats the code, and mostly the status.
        again = (
            rf" {head[1]}(?:-| |$)(?:{re.escape(head[2])}(?![\w.]) ?)?"
            if head[2]
            else rf" {head[1]}[- ]"
        )
        rest = _LOCAL.sub("<address>...", re.sub(again, " ", rest).strip())
    rest = _BARE_CODE.sub("<n>", rest) if head or not _HEAD.match(rest) else rest
    rest = _DATE.sub(lambda date: "<time>" if "<n>" in date[0] and date[0][0] != " " else "", rest)
    rest = _QUOTED.sub(r"\1\2 <address>", _BEFORE_IP.sub(r"\1[<id> ", rest))
    rest = (
        _AGAIN.sub(r"\1", rest.replace("<ip>:<n>", "<ip>"))
        .replace("RFC_", "RFC ")
        .replace("rfc_", "rfc ")
    )
    return " ".join(f"{begin} {rest}".split())


def _replace(match: re.Match[str]) -> str:
    kind, part = match.lastgroup, match[0]
    if kind == "token":
        return _replace_token(part)
    if kind == "status":
        return part
    if kind == "host":
        return _replace_host(part)
    if kind == "url":
        return _replace_url(part)
    if kind == "name":
        return part if part in _PLACES else "<address>"
    return {"uuid": "<id>", "size": "<n>"}.get(str(kind), f"<{kind}>")


_PLACES = frozenset({"<address>", "<ip>", "<time>", "<id>", "<host>", "<n>", "<url>"})


def _replace_url(url: str) -> str:
    match = _URL.fullmatch(url)
    if match is None:
        return "<url>"
    end = match[3][len(match[3].rstrip(_URL_END)) :]
    names = " ".join(_URL_NAME.findall(match[3]))
    # A customer's or a message's own page: only the site is the same.
    host = ".".join("<id>" if _varies(label) else label for label in match[2].split("."))
    return f"{match[1]}{host}/{names}{end}"


def _replace_host(host: str) -> str:
    if not _KNOWN_HOST.search(host.lower()):
        return "<host>"
    return ".".join("<id>" if _varies(label) else label for label in host.split("."))


def _replace_token(token: str) -> str:
    if _RULE.fullmatch(token) or _STANDARD.fullmatch(token) or not _varies(token):
        return token
    if not any(map(str.isalpha, token)):
        return "<n>"
    return "<host>" if token.count(".") >= HOST_DOTS and not token[-1].isdigit() else "<id>"


def _varies(token: str) -> bool:
    """Return whether a word is an id: one with letters and digits, or with letters of no word."""
    digits = sum(map(str.isdigit, token))
    if not digits:
        return any(map(_is_jumbled, _SEPARATOR.split(token)))
    if not any(map(str.isalpha, token)):
        # A number, if it has no marks in it.
        return not _NUMBER.fullmatch(token)
    if _HEX.fullmatch(token) or _LOWER_ID.fullmatch(token) or token.startswith("__"):
        return True
    is_long = len(token) >= ID_CHARS and digits >= ID_DIGITS
    return is_long or (len(token) >= WORD_CHARS and _HUMP.search(token) is not None)


def _is_jumbled(letters: str) -> bool:
    return (
        len(letters) >= WORD_CHARS
        and len(_HUMP.findall(letters)) >= ID_HUMPS
        and not _CAMEL.fullmatch(letters)
    )
