"""`make docs-check`: does every link of the documents lead somewhere, does every command run.

    python -m build.docs_check              links, then commands
    python -m build.docs_check links        links alone

Looked at are all Markdown files git knows. A link inside the project must name a file that is there
and, after `#`, a heading of it; addresses elsewhere are not fetched. A path in backquotes that
begins with one of our folders must be there. Every file of docs/ must be reachable from README.md.
A fenced block that begins with ```sh runnable is run by `sh -eu` from the top of the checkout; its
exit code must be 0.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from build.stack.paths import ROOT

RUN_WITHIN_SECONDS = 120
SHOWN_LINES = 20
#: Folders of ours, by whose names a path in backquotes is known for one.
ROOMS = ("agent", "ansible", "build", "docs", "requirements", "server", "tests")
CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\s{0,3}\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
FENCE = re.compile(r"^(\s*)(```+|~~~+)(.*)$")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
RUNNABLE = ("sh", "runnable")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, the words behind its fence, its text."""

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
        found = set(ANCHOR.findall(self.prose))
        for line in self.prose.splitlines():
            if heading := HEADING.match(line):
                name = slug(heading[1])
                number = 0
                while (wanted := f"{name}-{number}" if number else name) in found:
                    number += 1
                found.add(wanted)
        return found

    @property
    def named_paths(self) -> list[str]:
        """Paths of ours in backquotes. A `…`, `*` or `<` in one says that it stands for several."""
        return [
            span
            for span in CODE_SPAN.findall(self.prose)
            if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", span) and span.split("/")[0] in ROOMS
        ]


def slug(heading: str) -> str:
    """Return GitHub's name of a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def parse(path: str, text: str) -> Document:
    """Take a file apart into prose and fenced blocks."""
    prose: list[str] = []
    blocks: list[Block] = []
    fence, begun, words = "", 0, ""
    inside: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        mark = FENCE.match(line)
        if fence:
            if mark and mark[2].startswith(fence) and not mark[3].strip():
                blocks.append(Block(path, begun, tuple(words.split()), "\n".join(inside) + "\n"))
                fence = ""
            else:
                inside.append(line)
        elif mark:
            fence, begun, words, inside = mark[2], number, mark[3], []
        else:
            prose.append(line)
    return Document(path, "\n".join(prose), tuple(blocks))


def documents() -> dict[str, Document]:
    """Return every Markdown file git knows, and the new ones it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return {
        name: parse(name, (ROOT / name).read_text())
        for name in sorted(set(listed.split("\0")))
        if name and (ROOT / name).is_file()
    }


def faults(found: dict[str, Document]) -> Iterator[str]:
    """Yield what is wrong with links and paths, a line each."""
    leads_to: dict[str, set[str]] = {}
    for document in found.values():
        for link in document.links:
            if re.match(r"[a-z][a-z0-9+.-]*:", link):
                continue
            said, target = _look(document, link, found)
            if said:
                yield f"{document.path}: {link}: {said}"
            else:
                leads_to.setdefault(document.path, set()).add(target)
        for path in document.named_paths:
            if not (ROOT / path).exists():
                yield f"{document.path}: `{path}` is not there"
    reached = _reached("README.md", leads_to)
    for name in found:
        if name.startswith("docs/") and name not in reached:
            yield f"{name}: no way of links leads there from README.md"


def _reached(start: str, leads_to: dict[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        fresh = leads_to.get(waiting.pop(), set()) - seen
        seen |= fresh
        waiting += fresh
    return seen


def _look(document: Document, link: str, found: dict[str, Document]) -> tuple[str, str]:
    """Return what is wrong with a link, and the file it leads to."""
    place, _, anchor = unquote(link).partition("#")
    path = (ROOT / document.path).parent / place if place else ROOT / document.path
    try:
        target = str(path.resolve().relative_to(ROOT))
    except ValueError:
        return "leads out of the project", ""
    if not path.exists():
        return "there is no such file", ""
    if anchor and target in found and anchor not in found[target].anchors:
        return "there is no such heading", ""
    return "", target


def runnable(found: dict[str, Document]) -> list[Block]:
    """Return the blocks that are to be run."""
    blocks = [block for document in found.values() for block in document.blocks]
    return [block for block in blocks if block.words == RUNNABLE]


def run(block: Block) -> str:
    """Run a block; return what is wrong, empty when nothing is."""
    path = os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
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
    if done.returncode == 0:
        return ""
    said = "\n  ".join(done.stdout.splitlines()[-SHOWN_LINES:])
    return f"{block.path}:{block.line}: code {done.returncode}\n  {said}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Look; print what is wrong and a line of summary; return the exit code."""
    parser = argparse.ArgumentParser(prog="build.docs_check", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", nargs="?", choices=("all", "links"), default="all")
    options = parser.parse_args(arguments)
    found = documents()
    wrong = list(faults(found))
    blocks = runnable(found) if options.what == "all" else []
    for block in blocks:
        begun = time.monotonic()
        said = run(block)
        if said:
            wrong.append(said)
        else:
            print(f"{block.path}:{block.line}: ran in {time.monotonic() - begun:.1f} s")
    for line in wrong:
        print(line, file=sys.stderr)
    links = sum(len(document.links) for document in found.values())
    print(
        f"{len(found)} documents, {links} links, {len(blocks)} blocks run:"
        f" {len(wrong) or 'nothing'} wrong"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
