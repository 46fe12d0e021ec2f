"""Measures of the code's language and structure: `python -m tests.unit.vocabulary` prints them."""

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from tests.paths import ROOT

SOURCES = {".py", ".js", ".mjs", ".html", ".sh", ".css"}
WORDS = ("told", "said", "heard", "asked")
#: Participles that end in another way than -ed.
IRREGULAR = re.compile(
    r"told|said|heard|kept|taken|given|seen|held|sent|made|found|left|lost|known|shown|written"
    r"|drawn|meant|built|begun|gone|done|understood|spoken"
)
#: Nouns, verbs and adjectives that end in -ed.
NO_PARTICIPLE = re.compile(
    r"bed|red|need|seed|feed|speed|embed|exceed|proceed|succeed|shed|sled|breed|greed|weed"
)
QUESTION = re.compile(r"(What|How|Who|Which|Where|When|Why)\b")
BOUND = re.compile(
    r"(?<![A-Za-z])(MOST|LONGEST|LARGEST|LEAST)(?=_[A-Z])|_(MOST|LONGEST|LARGEST|LEAST)\b"
)
THIS_FILE = "tests/unit/vocabulary.py"


class Measures:
    """All measures of a checkout."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        listed = subprocess.run(
            ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True
        )
        self.files = [
            name
            for name in listed.stdout.splitlines()
            if "/migrations/" not in name
            and not name.startswith("tests/samples/")
            and name != THIS_FILE
            and (root / name).is_file()
        ]
        self.texts = {
            name: (root / name).read_text()
            for name in self.files
            if Path(name).suffix in SOURCES | {".md"}
        }
        self.trees = {name: ast.parse(text) for name, text in self._python().items()}
        self.statements = [
            (name, node) for name, tree in self.trees.items() for node in walk_statements(tree)
        ]

    def _python(self) -> dict[str, str]:
        return {name: text for name, text in self.texts.items() if name.endswith(".py")}

    @cached_property
    def words_per_1000_lines(self) -> dict[str, float]:
        """How often each word stands, in identifiers too; columns like heard_at stay."""
        lines = sum(text.count("\n") for text in self.texts.values())
        counts = dict.fromkeys(WORDS, 0)
        for word in WORDS:
            pattern = re.compile(rf"(?<![A-Za-z]){word}(?![a-z]|_at\b|_ms\b)", re.IGNORECASE)
            counts[word] = sum(len(pattern.findall(text)) for text in self.texts.values())
        return {word: 1000 * count / lines for word, count in counts.items()}

    def functions(self) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        """Yield every function but the tests, with its file."""
        for name, node in self.statements:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not (
                name.startswith("tests/") and node.name.startswith("test_")
            ):
                yield name, node

    def participle_functions(self) -> list[str]:
        """Return the functions named by a bare participle; properties are adjectives."""
        return [
            f"{file}:{node.lineno} {node.name}"
            for file, node in self.functions()
            if is_participle(node.name.strip("_")) and not is_property(node)
        ]

    def participle_percent(self) -> float:
        """Return their share of all functions."""
        return 100 * len(self.participle_functions()) / sum(1 for _ in self.functions())

    def question_docstrings(self) -> list[str]:
        """Return the modules whose docstring opens with a question word."""
        return [
            name
            for name, tree in self.trees.items()
            if QUESTION.match(ast.get_docstring(tree) or "")
        ]

    def bounds_by_dialect(self) -> Counter[str]:
        """Count the prefixes of bounds other than MAX and MIN."""
        return Counter(
            first or last for text in self.texts.values() for first, last in BOUND.findall(text)
        )

    def results_named_found(self) -> list[str]:
        """Return where a result is called `found`."""
        return [
            f"{name}:{node.lineno}"
            for name, node in self.statements
            if isinstance(node, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == "found" for t in node.targets)
        ]

    def files_per_folder(self) -> Counter[str]:
        """Count the source files on one level of each folder."""
        return Counter(
            str(Path(name).parent) for name in self.files if Path(name).suffix in SOURCES
        )

    def long_files(self) -> dict[str, int]:
        """Return the Python files of more than 500 lines."""
        lines = {name: text.count("\n") for name, text in self._python().items()}
        return {name: count for name, count in lines.items() if count > 500}

    def build_lines(self) -> int:
        """Count the lines of Python in build/."""
        return sum(
            text.count("\n") for name, text in self._python().items() if name.startswith("build/")
        )

    def performance_words(self) -> int:
        """Count the words of docs/performance.md."""
        return len((self.root / "docs/performance.md").read_text().split())

    def make_targets(self) -> list[str]:
        """Return the targets that `make help` lists."""
        makefile = (self.root / "Makefile").read_text()
        return re.findall(r"^([a-z][\w-]*):[^\n]*##", makefile, re.MULTILINE)


def walk_statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements of a tree, and what holds them: a tenth of its nodes."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        below = getattr(tree, name, ())
        for node in below if isinstance(below, list) else ():
            yield node
            yield from walk_statements(node)


def is_participle(name: str) -> bool:
    """Return whether a name of one word is a participle."""
    if "_" in name or NO_PARTICIPLE.fullmatch(name):
        return False
    return name.endswith("ed") or IRREGULAR.fullmatch(name) is not None


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function is read like an attribute."""
    names = {getattr(d, "id", getattr(d, "attr", "")) for d in node.decorator_list}
    return bool(names & {"property", "cached_property"})


def table(measures: Measures) -> str:
    """Return the measures beside what they were and should be, as Markdown."""
    words = measures.words_per_1000_lines
    folders = measures.files_per_folder()
    bounds = measures.bounds_by_dialect()
    functions = measures.participle_percent()
    rows = [
        (
            '"told / said / heard / asked" per 1 000 lines',
            "5.0 / 3.5 / 2.8 / 6.1",
            "≤ 0.1 each",
            " / ".join(f"{words[word]:.2f}" for word in WORDS),
        ),
        ("functions named by a bare participle", "7.1 %", "< 1 %", f"{functions:.1f} %"),
        (
            "module docstrings that open with a question word",
            "88 of 280",
            "0",
            f"{len(measures.question_docstrings())} of {len(measures.trees)}",
        ),
        (
            "prefixes of bounds other than MAX and MIN",
            "MOST 34, LONGEST 19, LARGEST 8, LEAST 3",
            "none",
            ", ".join(f"{name} {count}" for name, count in bounds.most_common()) or "none",
        ),
        ("`found =`", "139", "rare", str(len(measures.results_named_found()))),
        (
            "most source files in one level",
            "61",
            "≤ 20",
            "{1} ({0})".format(*folders.most_common(1)[0]),
        ),
        ("lines of Python in build/", "10 777", "≤ 6 000", f"{measures.build_lines():,}"),
        ("make targets", "25", "≤ 12", str(len(measures.make_targets()))),
        ("words of docs/performance.md", "7 200", "≤ 1 000", str(measures.performance_words())),
        ("Python files of more than 500 lines", "0", "0", str(len(measures.long_files()))),
    ]
    head = ["| measure | before | aim | now |", "|---|---|---|---|"]
    return "\n".join(head + [f"| {' | '.join(row)} |" for row in rows])


if __name__ == "__main__":
    print(table(Measures()))
