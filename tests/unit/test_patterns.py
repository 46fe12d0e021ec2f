"""Every regular expression over outside text takes steps in proportion to the text: twice the text,
twice the steps, whatever the text is. Steps are counted, no time is measured."""

import ast
import functools
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.paths import ROOT
from tests.unit.patterns import Matcher, TooManySteps, hostile_parts, is_unbounded

# Quadratic growth shows as 4.
LENGTH = 40
MAX_GROWTH = 2.9
MAX_STEPS_PER_CHAR = 300
ANCHORED = {"match", "fullmatch"}
CALLS = {"compile", "search", "match", "fullmatch", "sub", "subn", "findall", "finditer", "split"}
MENTION = re.compile(r"\bre\.|\bpattern=")
#: Own text: the sources of scripts, numbers that a page wrote, settings of the administrator.
OWN_TEXT = {
    "server/dashboard/shell/assets/modules.py",
    "server/dashboard/shell/formats.js",
    "agent/plugins/mallard-shared/options.js",
}
SCRIPT_LITERAL = re.compile(
    r"(?<=[=(,:!&|?\[ ])/((?:[^/\\\n\[*]|\\.|\[(?:[^\]\\\n]|\\.)*\])(?:[^/\\\n\[]|\\.|"
    r"\[(?:[^\]\\\n]|\\.)*\])*)/([gimsuy]*)(?=[.,;)\s])"
)


class Pattern(NamedTuple):
    """One regular expression. `anchored`: it is only ever matched at one place."""

    place: str
    source: str
    flags: int
    anchored: bool


def patterns_of_python() -> Iterator[Pattern]:
    for folder in ("agent", "server"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            place, text = str(path.relative_to(ROOT)), path.read_text()
            # Most modules have none, and reading them all would take seconds in each process.
            if "/migrations/" not in place and place not in OWN_TEXT and MENTION.search(text):
                yield from patterns_in(ast.parse(text), place)


def patterns_in(tree: ast.Module, place: str) -> Iterator[Pattern]:
    nodes = list(ast.walk(tree))
    assigned = [
        (target.id, node.value)
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    names = {id(value): name for name, value in assigned}
    texts = {
        name: value.value
        for name, value in assigned
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }
    used: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.setdefault(node.value.id, set()).add(node.attr)
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg == "pattern" and (source := text_of(keyword.value, texts)):
                yield Pattern(f"{place}:{node.lineno}", source, 0, anchored=False)
        called = node.func
        if (
            isinstance(called, ast.Attribute)
            and isinstance(called.value, ast.Name)
            and called.value.id == "re"
            and called.attr in CALLS
        ):
            uses = used.get(names.get(id(node), ""), set()) or {called.attr}
            source = text_of(node.args[0], texts)
            # Of a variable: all texts in the tables of the module.
            for each in [source] if source else texts_in_tables(tree):
                yield Pattern(f"{place}:{node.lineno}", each, flags_of(node), uses <= ANCHORED)


def texts_in_tables(tree: ast.Module) -> list[str]:
    tables = [node for node in ast.walk(tree) if isinstance(node, ast.Tuple)]
    texts = (text_of(node, {}) for table in tables for node in table.elts)
    return [text for text in texts if text]


def text_of(node: ast.expr, texts: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return texts.get(node.id)
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
        return node.value.decode("latin-1")
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def flags_of(call: ast.Call) -> int:
    words = [n.attr for a in call.args[1:] for n in ast.walk(a) if isinstance(n, ast.Attribute)]
    return functools.reduce(lambda flags, word: flags | getattr(re, word, 0), words, 0)


def patterns_of_javascript() -> Iterator[Pattern]:
    for folder in ("agent/plugins", "server/dashboard"):
        for path in sorted((ROOT / folder).rglob("*.js")):
            place = str(path.relative_to(ROOT))
            if "/test/" in place or "/vendor/" in place or place in OWN_TEXT:
                continue
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                for source, words in SCRIPT_LITERAL.findall(line):
                    flags = re.IGNORECASE if "i" in words else 0
                    yield Pattern(f"{place}:{number}", source, flags, anchored=False)


# Without an unbounded repeat the steps at each place are bounded.
PATTERNS = [
    pattern
    for pattern in (*patterns_of_python(), *patterns_of_javascript())
    if is_unbounded(pattern.source, pattern.flags)
]


def steps(pattern: Pattern, text: str) -> int:
    most = MAX_STEPS_PER_CHAR * len(text)
    return Matcher(pattern.source, pattern.flags, text, max_steps=most).count(
        anchored=pattern.anchored
    )


def growths(pattern: Pattern) -> Iterator[tuple[float, str]]:
    """Yield how steps grow with each hostile text, and its part."""
    parts = hostile_parts(pattern.source, pattern.flags)
    for part in parts:
        # A part may be longer: without text no steps are allowed.
        times = max(1, LENGTH // len(part))
        for begin, end in (("", ""), ("", "\n\0"), (parts[0], "")):
            try:
                short, long = (steps(pattern, begin + part * n + end) for n in (times, 2 * times))
            except TooManySteps:
                yield float("inf"), part
            else:
                yield long / short, part


def worst_growth(pattern: Pattern) -> tuple[float, str]:
    worst = (0.0, "")
    for found in growths(pattern):
        worst = max(worst, found)
        if worst[0] > MAX_GROWTH:
            break
    return worst


@pytest.fixture(autouse=True)
def deep_stack() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


def test_the_patterns_are_found():
    places = {pattern.place.partition(":")[0] for pattern in PATTERNS}

    assert {
        "agent/parsers/prometheus.py",
        "agent/plugins/haraka-monitor/mapping.js",
        "agent/plugins/mallard-shared/text.js",
        "server/events/replies.py",
        "server/ingest/parsing/text.py",
    } <= places
    assert len(PATTERNS) > 30


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.place)
def test_steps_grow_in_proportion_to_the_text(pattern):
    worst, part = worst_growth(pattern)

    assert worst <= MAX_GROWTH, f"{pattern.source} on {part!r} repeated"


@pytest.mark.parametrize(
    ("source", "part"),
    [
        (r"(a+)+b", "a"),
        (r"<[^<>\s]*@[^<>\s]*>", "@"),
        (r"(\w+)=", "a"),
        (r"\s+$", " "),
        (r" - at `(.*)`$", " - at `"),
        (r'"(?:[^"\\]++|\\.)*+"', '\\"'),
    ],
)
def test_a_pattern_that_grows_faster_is_found(source, part):
    assert worst_growth(Pattern("here", source, 0, anchored=False))[0] > MAX_GROWTH, part


@pytest.mark.parametrize(
    ("source", "flags", "text"),
    [
        (r"(?P<a>\d+)-(?:x|y)*?z", 0, "12-xyxz"),
        (r"\bWORD\b(?=,)", re.IGNORECASE, "a word, Word."),
        (r"(?<!a)b[^c-e\s]{2,3}$", 0, "abxx bxy"),
        (r"a++b|\\(.)", 0, "aaab \\n aac"),
        (r"^(?:x(?!\n))+", re.MULTILINE, "xx\nxx"),
    ],
)
def test_the_counted_matcher_finds_what_re_finds(source, flags, text):
    matcher: Any = Matcher(source, flags, text, max_steps=10_000)

    for place in range(len(text) + 1):
        found = re.compile(source, flags).match(text, place)
        assert matcher._match_at(place) == (found.end() if found else None)
