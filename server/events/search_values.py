"""Values of a search for events that stand for several: lists, ranges, wildcards, words. Pure."""

import re
from datetime import timedelta

from server.events.vocabulary import EVENT_TYPES

#: Values of a list, and words of a reply.
MAX_LISTED, MAX_WORDS, MIN_WORD_CHARS = 20, 5, 3
#: No index has words: they are looked for in the replies of so long at most.
MAX_WORDS_SPAN = timedelta(days=7)
MIN_CODE, MAX_CODE = 200, 599
CODES = re.compile(r"([0-9]{3})(?:-([0-9]{3}))?|([2-5])xx", re.IGNORECASE)
WILDCARD = "*."


def split_list(text: str) -> tuple[str, ...]:
    """Return the values of a list with commas, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def check_types(text: str) -> str:
    """Return a list of event types, normalized. Raises ValueError that names a wrong one."""
    types = split_list(text)
    if unknown := [each for each in types if each not in EVENT_TYPES]:
        raise ValueError(f"{unknown[0]!r} is no type. Types are {', '.join(EVENT_TYPES)}.")
    return ",".join(types)


def check_nodes(text: str) -> str:
    """Return a list of nodes. Raises ValueError where it is too long."""
    if len(split_list(text)) > MAX_LISTED:
        raise ValueError(f"At most {MAX_LISTED} nodes.")
    return text


def list_nodes(text: str) -> tuple[str, ...]:
    """Return the nodes that a text names; the name of one may have a comma itself."""
    names = split_list(text)
    return names if text in names else (text, *names)


def parse_codes(text: str) -> tuple[int, int]:
    """Return the first and the last reply code of "451", "450-459" or "4xx". Raises ValueError."""
    match = CODES.fullmatch(text.strip())
    if match is None:
        raise ValueError("Not a reply code such as 451, 450-459 or 4xx.")
    if match[3]:
        return 100 * int(match[3]), 100 * int(match[3]) + 99
    first, last = int(match[1]), int(match[2] or match[1])
    if not MIN_CODE <= first <= last <= MAX_CODE:
        raise ValueError(f"Reply codes go from {MIN_CODE} to {MAX_CODE}, the smaller one first.")
    return first, last


def check_codes(text: str) -> str:
    """Return a text that `parse_codes` takes. Raises ValueError."""
    parse_codes(text)
    return text.strip()


def is_wildcard(text: str) -> bool:
    """Return whether a domain stands for all below it: *.example.com."""
    return text.startswith(WILDCARD)


def parse_wildcard(text: str) -> str:
    """Return the domain of a wildcard. Raises ValueError."""
    domain = text.removeprefix(WILDCARD)
    if not domain or "*" in domain:
        raise ValueError("A wildcard is the first label, as in *.example.com.")
    return domain


def check_domain(text: str) -> str:
    """Return a domain, or a wildcard that `parse_wildcard` takes. Raises ValueError."""
    if is_wildcard(text):
        parse_wildcard(text)
    return text


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a reply to look for, all of which it must have. Raises ValueError."""
    words = tuple(dict.fromkeys(text.lower().split()))
    if not words or len(words) > MAX_WORDS or min(map(len, words)) < MIN_WORD_CHARS:
        raise ValueError(f"One to {MAX_WORDS} words of {MIN_WORD_CHARS} characters or more.")
    return words


def check_words(text: str) -> str:
    """Return a text that `split_words` takes. Raises ValueError."""
    split_words(text)
    return text


def like_pattern(text: str, *, before: str = "%", after: str = "%") -> str:
    """Return the pattern of LIKE for a text in which nothing is a wildcard itself."""
    return before + re.sub(r"([\\%_])", r"\\\1", text) + after
