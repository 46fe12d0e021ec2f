"""Rules that name the class of a reply, read from TOML and matched together in linear time. Pure.

A rule is data: the class, an expression (RE2's, without regard to case), whose replies it is for,
where these were published, and an example that the tests hold against it.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, get_args

import re2

from server.events.bounce_classes.classes import BounceClass

FOLDER = Path(__file__).parent / "rules"
KEYS = frozenset({"class", "pattern", "provider", "source", "example"})
MAX_PATTERN_CHARS = 2_000
#: The automaton of a set grows as texts come; beyond this it begins anew.
MAX_AUTOMATON_BYTES = 32 << 20
_TERM = re.compile(r"%(\w+)%")


# What stands in the place of an address and the like has no word in it that a rule could read.
_PLACES = {
    "<address>": "<@>", "<host>": "<~>", "<ip>": "<%>", "<url>": "</>", "<id>": "<#>", "<n>": "<=>",
    "<time>": "<:>",
}  # fmt: skip
_PLACE = re.compile("|".join(_PLACES))
_ACCENT = re.compile("[\u0300-\u036f]")
_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u00b4": "'", "`": "'"})


def fold(text: str) -> str:
    """Return the text without accents, with plain quotes, and with marks in the places of addresses
    and the like. Expressions are read through it too."""
    text = _PLACE.sub(lambda place: _PLACES[place[0]], text)
    if text.isascii():
        return text.replace("`", "'")
    return _ACCENT.sub("", unicodedata.normalize("NFKD", text.translate(_QUOTES)))


class BadRule(ValueError):
    """A file of rules that cannot be used. The text names the file, the rule and the fix."""


class Rule(NamedTuple):
    """One rule. `pattern` has its terms replaced."""

    bounce_class: BounceClass
    pattern: str
    provider: str
    source: str
    example: str


class RuleSet:
    """Rules that are matched against a text together. The first in the order of the file wins."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._set = re2.Set.SearchSet(_options())
        for rule in self.rules:
            self._set.Add(rule.pattern)
        self._set.Compile()

    def find(self, text: str) -> Rule | None:
        """Return the first rule that the text matches."""
        # A lone surrogate, which JSON can carry, has no UTF-8.
        matched = self._set.Match(text.encode("utf-8", "replace"))
        return self.rules[min(matched)] if matched else None


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a file in its order. Raises BadRule."""
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRule(f"{path.name}: no valid TOML: {error}") from error
    terms = table.get("terms", {})
    return tuple(
        _read_rule(row, terms, f"{path.name}, rule {number}")
        for number, row in enumerate(table.get("rule", ()), 1)
    )


def _read_rule(row: dict[str, str], terms: dict[str, str], place: str) -> Rule:
    if row.keys() != KEYS or not all(isinstance(value, str) and value for value in row.values()):
        raise BadRule(f"{place}: give it each of {', '.join(sorted(KEYS))} as text, and no others")
    if row["class"] not in get_args(BounceClass):
        raise BadRule(f"{place}: {row['class']!r} is no class; use one of classes.toml")
    try:
        pattern = _TERM.sub(lambda match: f"(?:{terms[match[1]]})", row["pattern"])
    except KeyError as error:
        raise BadRule(f"{place}: %{error.args[0]}% is not among [terms]; add it there") from error
    _check_pattern(pattern, place)
    return Rule(row["class"], fold(pattern), row["provider"], row["source"], row["example"])  # type: ignore[arg-type]


def _check_pattern(pattern: str, place: str) -> None:
    if len(pattern) > MAX_PATTERN_CHARS:
        raise BadRule(f"{place}: more than {MAX_PATTERN_CHARS} characters; make it two rules")
    try:
        compiled = re2.compile(pattern, _options())
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise BadRule(
            f"{place}: {pattern!r} cannot be matched in linear time: {reason}. "
            "Write it without references, assertions around it and large repetitions"
        ) from error
    if compiled.search("") is not None:
        raise BadRule(f"{place}: {pattern!r} matches every text; name a word that must be there")


def _options() -> re2.Options:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = MAX_AUTOMATON_BYTES
    return options
