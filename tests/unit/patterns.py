"""A regular expression's steps, counted: a backtracking matcher like that of `re`, over its own
parse tree. For tests of how steps grow with the text, which no clock can measure on a busy machine.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Next = Callable[[int], bool]
MAX_BOUND = 8
CHARS = (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY)
CATEGORIES = {
    op.CATEGORY_DIGIT: str.isdecimal,
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
}
NEGATED = {
    op.CATEGORY_NOT_DIGIT: op.CATEGORY_DIGIT,
    op.CATEGORY_NOT_SPACE: op.CATEGORY_SPACE,
    op.CATEGORY_NOT_WORD: op.CATEGORY_WORD,
}


class TooManySteps(Exception):
    """More than the test wants to see."""


class Matcher:
    """One pattern on one text. `steps`: characters and places that were looked at."""

    def __init__(self, pattern: str, flags: int, text: str, *, max_steps: int) -> None:
        self.tree = _parser.parse(pattern, flags)
        self.steps = 0
        self._text = text
        self._max_steps = max_steps
        self._ignores_case = bool(self.tree.state.flags & re.IGNORECASE)
        self._is_multiline = bool(self.tree.state.flags & re.MULTILINE)
        self._is_dotall = bool(self.tree.state.flags & re.DOTALL)
        self._handlers = {
            **dict.fromkeys(CHARS, self._char),
            op.AT: self._place,
            op.SUBPATTERN: self._group,
            op.BRANCH: self._branch,
            op.ASSERT: self._look,
            op.ASSERT_NOT: self._look,
            op.ATOMIC_GROUP: self._atom,
            op.MAX_REPEAT: self._some,
            op.MIN_REPEAT: self._some,
            op.POSSESSIVE_REPEAT: self._possessive,
        }

    def count(self, *, anchored: bool) -> int:
        """Return the steps of one match at the beginning, or of all matches one after another."""
        place = 0
        while place <= len(self._text):
            end = self._match_at(place)
            if anchored:
                break
            place = max(place + 1, end or 0)
        return self.steps

    def _match_at(self, place: int) -> int | None:
        ends: list[int] = []

        def end(at: int) -> bool:
            ends.append(at)
            return True

        return ends[0] if self._run(list(self.tree), 0, place, end) else None

    def _run(self, items: Sequence[Any], index: int, at: int, after: Next) -> bool:
        self.steps += 1
        if self.steps > self._max_steps:
            raise TooManySteps
        if index == len(items):
            return after(at)
        kind, value = items[index]
        return self._handlers[kind](
            kind, value, at, lambda place: self._run(items, index + 1, place, after)
        )

    def _char(self, kind: Any, value: Any, at: int, following: Next) -> bool:
        fits = at < len(self._text) and self._fits(kind, value, self._text[at])
        return fits and following(at + 1)

    def _place(self, _: Any, value: Any, at: int, following: Next) -> bool:
        return self._is_at(value, at) and following(at)

    def _group(self, _: Any, value: Any, at: int, following: Next) -> bool:
        return self._run(list(value[3]), 0, at, following)

    def _branch(self, _: Any, value: Any, at: int, following: Next) -> bool:
        return any(self._run(list(branch), 0, at, following) for branch in value[1])

    def _look(self, kind: Any, value: Any, at: int, following: Next) -> bool:
        return self._looks(value, at) == (kind is op.ASSERT) and following(at)

    def _atom(self, _: Any, value: Any, at: int, following: Next) -> bool:
        end = self._first_end(list(value), at)
        return end is not None and following(end)

    def _some(self, kind: Any, value: Any, at: int, following: Next) -> bool:
        return self._repeat(value, at, following, greedy=kind is op.MAX_REPEAT)

    def _repeat(self, value: Any, at: int, following: Next, *, greedy: bool) -> bool:
        low, high, body = _bounds(value)
        if len(body) == 1 and body[0][0] in CHARS:
            return self._repeat_char(body[0], (low, high), at, following, greedy=greedy)

        def again(place: int, count: int) -> bool:
            def more(next_place: int) -> bool:
                return next_place > place and again(next_place, count + 1)

            wants_more = count < high
            if count < low:
                return self._run(body, 0, place, lambda at: again(at, count + 1))
            if greedy:
                return (wants_more and self._run(body, 0, place, more)) or following(place)
            return following(place) or (wants_more and self._run(body, 0, place, more))

        return again(at, 0)

    def _repeat_char(
        self, char: Any, bounds: tuple[int, Any], at: int, following: Next, *, greedy: bool
    ) -> bool:
        """Repeat one character without recursion, as it may repeat often."""
        low, high = bounds
        last = at
        while last < len(self._text) and last - at < high and self._fits(*char, self._text[last]):
            last += 1
            self.steps += 1
        places: Any = range(at + low, last + 1)
        return any(following(place) for place in (reversed(places) if greedy else places))

    def _possessive(self, _: Any, value: Any, at: int, following: Next) -> bool:
        low, high, body = _bounds(value)
        count = 0
        while count < high:
            end = self._first_end(body, at)
            if end is None or end == at:
                break
            at, count = end, count + 1
        return count >= low and following(at)

    def _first_end(self, body: Sequence[Any], at: int) -> int | None:
        ends: list[int] = []

        def end(place: int) -> bool:
            ends.append(place)
            return True

        return ends[0] if self._run(body, 0, at, end) else None

    def _looks(self, value: Any, at: int) -> bool:
        direction, body = value
        if direction > 0:
            return self._first_end(list(body), at) is not None
        width = body.getwidth()[0]
        return at >= width and self._first_end(list(body), at - width) is not None

    def _fits(self, kind: Any, value: Any, char: str) -> bool:
        if kind is op.ANY:
            return char != "\n" or self._is_dotall
        if kind is op.IN:
            chars = [char, char.swapcase()] if self._ignores_case else [char]
            return any(_is_in(value, each) for each in chars)
        same = ord(char) == value or (self._ignores_case and ord(char.swapcase()[0]) == value)
        return same == (kind is op.LITERAL)

    def _is_at(self, where: Any, at: int) -> bool:
        text = self._text
        if where in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            return at == 0 or (self._is_multiline and text[at - 1] == "\n")
        if where is op.AT_END_STRING:
            return at == len(text)
        if where is op.AT_END:
            return at == len(text) or text[at:] == "\n" or (self._is_multiline and text[at] == "\n")
        is_word = CATEGORIES[op.CATEGORY_WORD]
        sides = [0 <= place < len(text) and is_word(text[place]) for place in (at - 1, at)]
        return (sides[0] != sides[1]) == (where is op.AT_BOUNDARY)


def _bounds(value: Any) -> tuple[int, int, list[Any]]:
    """Return a repeat's bounds and body. Bounded ones are shortened: what they cost at a place does
    not grow with the text, and short texts show the rest."""
    low, high, body = value
    is_bounded = high is not op.MAXREPEAT
    return min(low, MAX_BOUND), min(high, MAX_BOUND) if is_bounded else 2**31, list(body)


def is_unbounded(pattern: str, flags: int) -> bool:
    """Return whether a pattern is one that repeats something without a bound."""
    repeats = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
    try:
        tree = _parser.parse(pattern, flags)
    except re.error:
        return False  # a division in a script
    return any(kind in repeats and value[1] is op.MAXREPEAT for kind, value in _walk(tree))


def _is_in(items: Sequence[Any], char: str) -> bool:
    negated = bool(items) and items[0][0] is op.NEGATE
    return negated != any(_is_one(kind, value, char) for kind, value in items)


def _is_one(kind: Any, value: Any, char: str) -> bool:
    if kind is op.LITERAL:
        return ord(char) == value
    if kind is op.RANGE:
        return value[0] <= ord(char) <= value[1]
    if kind is op.CATEGORY:
        if value in NEGATED:
            return not CATEGORIES[NEGATED[value]](char)
        return CATEGORIES[value](char)
    return False


def hostile_parts(pattern: str, flags: int) -> list[str]:
    """Return texts to repeat: a character of each class and literal of a pattern, its runs of
    literals, and pairs of characters."""
    literals: dict[str, None] = {}  # in order
    others: dict[str, None] = {}
    runs = [""]
    for kind, value in _walk(_parser.parse(pattern, flags)):
        if kind is op.LITERAL:
            runs[-1] += chr(value)
        else:
            runs.append("")
        if kind in (op.LITERAL, op.NOT_LITERAL):
            literals[chr(value)] = None
        elif kind is op.IN:
            some = [c for c in "a1 -.:@<\"'\\A_=,\t[" if _is_in(value, c)]
            others |= dict.fromkeys(some[:3])
    single = [*dict.fromkeys([*[*literals][:5], *others])][:8]
    longest = sorted((run for run in runs if len(run) > 1), key=len)[-3:]
    return [*single, *longest, *(a + b for a in single[:4] for b in single[:4] if a != b)]


def _walk(tree: Any) -> Iterator[tuple[Any, Any]]:
    for kind, value in tree:
        yield kind, value
        for part in value if isinstance(value, tuple | list) else [value]:
            if isinstance(part, _parser.SubPattern):
                yield from _walk(part)
            elif isinstance(part, list):
                for inner in part:
                    if isinstance(inner, _parser.SubPattern):
                        yield from _walk(inner)
