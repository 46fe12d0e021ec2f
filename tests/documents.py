"""The project's Markdown files taken apart, and the problems of their links and paths.

A link inside the project must name a file that exists and, after `#`, one of its headings; other
addresses are not fetched. A path that begins with one of our folders must exist. Every file of
docs/ must be reachable from README.md.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from tests.paths import ROOT

RUN_WITHIN_SECONDS = 120
MAX_LINES_SHOWN = 20
#: Folders of ours, by which a path in backquotes or in a comment is recognized.
FOLDERS = ("agent", "ansible", "build", "docs", "requirements", "server", "tests")
#: Files whose comments may name others.
SOURCES = (
    "*.py",
    "*.js",
    "*.html",
    "*.css",
    "*.sh",
    "*.spec",
    "*.yml",
    "*.j2",
    "*.toml",
    "Makefile",
)
SOURCE_PATH = re.compile(
    rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})(?:/[\w-]+)+\.(?:py|js|md|sh|html|toml|yml|json|txt)\b"
)
CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\s{0,3}\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
FENCE = re.compile(r"^(\s*)(```+|~~~+)(.*)$")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
RUNNABLE = ("sh", "runnable")


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line, the words behind its fence, its text."""

    path: str
    line: int
    words: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Document:
    """A Markdown file, taken apart. `path` is relative to the top of the checkout."""

    path: str
    prose: str
    blocks: tuple[Block, ...]

    @property
    def links(self) -> list[str]:
        """The targets of its links, as they are written."""
        without_code = CODE_SPAN.sub("", self.prose)
        return [*LINK.findall(without_code), *REFERENCE.findall(without_code)]

    @property
    def anchors(self) -> set[str]:
        """What may stand behind `#` in a link to it, as GitHub makes it of headings."""
        anchors = set(ANCHOR.findall(self.prose))
        for line in self.prose.splitlines():
            if heading := HEADING.match(line):
                name = slug(heading[1])
                number = 0
                while (anchor := f"{name}-{number}" if number else name) in anchors:
                    number += 1
                anchors.add(anchor)
        return anchors

    @property
    def paths(self) -> list[str]:
        """Paths of ours in backquotes. A `…`, `*` or `<` in one makes it stand for several."""
        return [
            span
            for span in CODE_SPAN.findall(self.prose)
            if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", span) and span.split("/")[0] in FOLDERS
        ]


def slug(heading: str) -> str:
    """Return GitHub's name of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def parse(path: str, text: str) -> Document:
    """Take a file apart into prose and fenced blocks."""
    prose: list[str] = []
    blocks: list[Block] = []
    fence, first_line, words = "", 0, ""
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        mark = FENCE.match(line)
        if fence:
            if mark and mark[2].startswith(fence) and not mark[3].strip():
                text_inside = "\n".join(inside) + "\n"
                blocks.append(Block(path, first_line, tuple(words.split()), text_inside))
                fence = ""
            else:
                inside.append(line)
        elif mark:
            fence, first_line, words, inside = mark[2], number, mark[3], []
        else:
            prose.append(line)
    return Document(path, "\n".join(prose), tuple(blocks))


def list_files(*patterns: str) -> list[str]:
    """Return the files git knows, and the new ones it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return [name for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file()]


def read_documents() -> dict[str, Document]:
    """Return every Markdown file by its path."""
    return {name: parse(name, (ROOT / name).read_text()) for name in list_files("*.md")}


def find_problems(documents: Mapping[str, Document]) -> Iterator[str]:
    """Yield what is wrong with links and paths, a line each."""
    targets: dict[str, set[str]] = {}
    for document in documents.values():
        for link in document.links:
            if re.match(r"[a-z][a-z0-9+.-]*:", link):
                continue
            problem, target = _follow(document, link, documents)
            if problem:
                yield f"{document.path}: {link}: {problem}"
            else:
                targets.setdefault(document.path, set()).add(target)
        for path in document.paths:
            if not (ROOT / path).exists():
                yield f"{document.path}: `{path}` does not exist"
    reachable = _reachable_from("README.md", targets)
    for name in documents:
        if name.startswith("docs/") and name not in reachable:
            yield f"{name}: no link from README.md leads to it"


def find_missing_paths(text: str) -> list[str]:
    """Return the paths of ours that a source file names and that do not exist."""
    return [path for path in SOURCE_PATH.findall(text) if not (ROOT / path).exists()]


def _reachable_from(start: str, targets: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        fresh = targets.get(waiting.pop(), set()) - seen
        seen |= fresh
        waiting += fresh
    return seen


def _follow(document: Document, link: str, documents: Mapping[str, Document]) -> tuple[str, str]:
    """Return what is wrong with a link, and the file it leads to."""
    place, _, anchor = unquote(link).partition("#")
    path = (ROOT / document.path).parent / place if place else ROOT / document.path
    try:
        target = str(path.resolve().relative_to(ROOT))
    except ValueError:
        return "leads out of the project", ""
    if not path.exists():
        return "there is no such file", ""
    if anchor and target in documents and anchor not in documents[target].anchors:
        return "there is no such heading", ""
    return "", target


def runnable_blocks(documents: Mapping[str, Document]) -> list[Block]:
    """Return the blocks that begin with ```sh runnable."""
    blocks = [block for document in documents.values() for block in document.blocks]
    return [block for block in blocks if block.words == RUNNABLE]


def run(block: Block) -> str:
    """Run a block with `sh -eu` at the top of the checkout; return the problem, empty if none."""
    path = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ.get("PATH", "")])
    try:
        result = subprocess.run(
            ["sh", "-eu"],
            input=block.text,
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_WITHIN_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{block.path}:{block.line}: did not end within {RUN_WITHIN_SECONDS} s"
    if result.returncode == 0:
        return ""
    output = "\n  ".join(result.stdout.splitlines()[-MAX_LINES_SHOWN:])
    return f"{block.path}:{block.line}: code {result.returncode}\n  {output}"
