"""Domains as they are counted, in A-labels, and as they are shown, in U-labels (RFC 5890). Pure.

One destination has many spellings: xn--bcher-kva.example is bücher.example and BÜCHER.example.
"""

import re
import unicodedata
from functools import lru_cache

#: No domain is longer; Punycode takes time that grows with the square.
MAX_CHARS = 255
_PREFIX = "xn--"
_DOTS = re.compile("[\u3002\uff0e\uff61]")
_HOST_NAME = re.compile(r"[a-z0-9_.-]+")


def to_ascii(domain: str) -> str:
    """Return the domain in lower case and in A-labels, as far as it has any."""
    lower = domain.lower()
    return lower if lower.isascii() or len(lower) > MAX_CHARS else _encode(lower)


@lru_cache(maxsize=4096)
def _encode(lower: str) -> str:
    mapped = unicodedata.normalize("NFKC", _DOTS.sub(".", lower)).lower()
    try:
        name = ".".join(
            label if label.isascii() else _PREFIX + label.encode("punycode").decode("ascii")
            for label in unicodedata.normalize("NFKC", mapped).split(".")
        )
    except UnicodeError:
        return lower
    # What is no name of a host stays as it came: of a stranger's text nothing new may be made.
    return name if _HOST_NAME.fullmatch(name) else lower


def to_unicode(domain: str) -> str:
    """Return the domain in U-labels, where they are letters, digits and hyphens alone."""
    if _PREFIX not in domain or len(domain) > MAX_CHARS:
        return domain
    shown = ".".join(_u_label(label) for label in domain.split("."))
    return shown if to_ascii(shown) == domain.lower() else domain


def _u_label(label: str) -> str:
    if not label.lower().startswith(_PREFIX):
        return label
    try:
        decoded = label[len(_PREFIX) :].encode("ascii").decode("punycode")
    except UnicodeError:
        return label
    # A control character or a space would make the name look like another.
    is_name = all(unicodedata.category(each)[0] in "LMN" or each == "-" for each in decoded)
    return decoded if is_name else label


def spellings(address: str) -> tuple[str, ...]:
    """Return a domain, or an address, in lower case with its domain in each spelling, A-labels
    first."""
    local, at, domain = address.rpartition("@")
    counted = to_ascii(domain)
    shown = to_unicode(counted)
    return tuple(dict.fromkeys(f"{local.lower()}{at}{name}" for name in (counted, shown)))
