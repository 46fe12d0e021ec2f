"""Grouping of remote servers' replies by their text without what varies from message to message.

Coarser than the server's own grouping (server/events/replies.py), which goes on from the first
wording of each group and names its class: a word that may be an address, a name, an id, a time or a
number is left out. Every recipient is in a group or in the rest, and the largest groups are exact.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

#: Later words are left out: replies are cut by their length, each of a group at another word.
MAX_WORDS = 30
#: Different texts that are kept apart. At more, the smaller half of them goes to the rest.
MAX_TEXTS = 4000
#: So many texts that differ in one word are one, where there are too many to list.
MIN_ALIKE = 3
VARIES = "…"

_HEAD = re.compile(r"\s*([2-5]\d\d)(?:[ -]|$)\s*([245]\.\d{1,3}\.\d{1,3}\b)?")
_VARIABLE = re.compile(r"[\d@]|//|\w\.\w")
# A server's own name of a rule, such as TSS04 or OFR005_104: what the reply is about.
_RULE = re.compile(r"[A-Z]{1,8}[-_]?\d{1,6}(?:_\d{1,6})?")
_BRACKETS = "[](){}<>.,;:'\""

Words = tuple[str, ...]


def group(replies: Iterable[tuple[str, int]], *, limit: int) -> tuple[list[tuple[str, int]], int]:
    """Return the `limit` largest groups of replies, each by its first wording, largest first, and
    how many are in no group. Pure; in linear time.

    `replies`: texts with the number of recipients that have them, most frequent first.
    """
    first: dict[Words, str] = {}
    counts: Counter[Words] = Counter()
    rest = 0
    for reply, count in replies:
        words = generalize(reply)
        first.setdefault(words, reply)
        counts[words] += count
        if len(first) > MAX_TEXTS:
            rest += _drop_smaller(first, counts)
    if len(counts) > limit:
        first, counts = _merge(first, counts)
    listed = counts.most_common(limit)
    rest += counts.total() - sum(count for _, count in listed)
    return [(first[words], count) for words, count in listed], rest


def _drop_smaller(first: dict[Words, str], counts: Counter[Words]) -> int:
    """Forget the smaller half of the texts; return how many recipients have them. Of those as small
    the first seen stay: they had more time to grow."""
    dropped = 0
    for words, count in counts.most_common()[MAX_TEXTS // 2 :]:
        dropped += count
        del first[words], counts[words]
    return dropped


def generalize(reply: str) -> Words:
    """Return the words of a reply, VARIES in place of those that vary."""
    head = _HEAD.match(reply)
    words = [part or "" for part in head.groups()] if head else []
    for word in reply[head.end() if head else 0 :].split():
        general = word.casefold() if word.isalpha() else _generalize_word(word)
        if general != VARIES or words[-1:] != [VARIES]:
            words.append(general)
        if len(words) == MAX_WORDS:
            break
    return tuple(words)


@lru_cache(maxsize=1024)
def _generalize_word(word: str) -> str:
    return VARIES if _varies(word) else word.casefold()


def _varies(word: str) -> bool:
    if word[0] in "<'\"" and word.rstrip(".,;:")[-1:] in {">", "'", '"'}:
        return True
    bare = word.strip(_BRACKETS)
    return _VARIABLE.search(bare) is not None and not _RULE.fullmatch(bare)


def _merge(
    first: dict[Words, str], counts: Counter[Words]
) -> tuple[dict[Words, str], Counter[Words]]:
    """Make those one that differ in one word alone: names look like any other word."""
    alike = Counter(hash(without) for words in counts for without in _without_one(words))
    merged_first: dict[Words, str] = {}
    merged: Counter[Words] = Counter()
    for words, count in counts.items():
        of = max(_without_one(words), key=lambda each: alike[hash(each)], default=words)
        if alike[hash(of)] < MIN_ALIKE:
            of = words
        merged_first.setdefault(of, first[words])
        merged[of] += count
    return merged_first, merged


def _without_one(words: Words) -> list[Words]:
    return [(*words[:place], VARIES, *words[place + 1 :]) for place in range(2, len(words))]
