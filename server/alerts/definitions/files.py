"""Rule files: a directory of TOML, a table for each rule. Reads, and changes nothing."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from server.alerts.conditions.parameters import BadRule
from server.alerts.definitions.parser import Definition, parse_definition

MAX_FILES, MAX_FILE_BYTES, MAX_RULES = 100, 256 * 1024, 200
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,58}\.toml\Z")
_TABLE = re.compile(r"""\s*+\[\s*+(?:"([^"]*)"|'([^']*)'|([^\]\s]*+))\s*+\]""")


@dataclass
class RuleFiles:
    """The definitions of a directory by name, each with its file, and all that is wrong there."""

    definitions: dict[str, tuple[str, Definition]] = field(default_factory=dict)
    problems: list[BadRule] = field(default_factory=list)


def read_rule_files(path: Path) -> RuleFiles:
    """Read the files of a directory in the order of their names, or one file.

    Hidden files and those that do not end in .toml are left alone.
    """
    result = RuleFiles()
    try:
        for file in _list_files(path):
            for name, definition in _read_file(file, result.problems):
                _add(result, file.name, name, definition)
    except BadRule as error:
        result.problems.append(error)
    if len(result.definitions) > MAX_RULES:
        problem = f"{len(result.definitions)} rules are too many"
        result.problems.append(BadRule(str(path), problem, f"Define {MAX_RULES} at most."))
    return result


def _add(result: RuleFiles, file: str, name: str, definition: Definition) -> None:
    if name in result.definitions:
        problem = f"{result.definitions[name][0]} defines this rule too"
        result.problems.append(BadRule(f"{file} [{name}]", problem, "Remove one of them."))
    result.definitions.setdefault(name, (file, definition))


def _list_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    try:
        names = sorted(each.name for each in path.iterdir())
    except OSError as error:
        fix = "Name a directory of rule files that this account may read."
        raise BadRule(str(path), f"it cannot be read ({error.strerror})", fix) from error
    files = [name for name in names if name.endswith(".toml") and not name.startswith(".")]
    if len(files) > MAX_FILES:
        raise BadRule(str(path), f"{len(files)} files are too many", f"Keep {MAX_FILES} at most.")
    return [path / name for name in files]


def _read_file(path: Path, problems: list[BadRule]) -> Iterator[tuple[str, Definition]]:
    """Yield the definitions of a file; what is wrong in it is added to `problems`."""
    try:
        text = _read_text(path)
        tables = _parse_toml(text, path.name)
    except BadRule as error:
        problems.append(error)
        return
    for name, written in tables.items():
        try:
            yield name, parse_definition(name, written, f"[{name[:64]!r}]".replace("'", ""))
        except BadRule as error:
            line = _find_line(text, name, error.field)
            place = f"{path.name}:{line} {error.place}" if line else f"{path.name} {error.place}"
            problems.append(BadRule(place, error.problem, error.fix))


def _read_text(path: Path) -> str:
    if not _FILE_NAME.match(path.name):
        fix = "Name it by letters, digits, _, - and ., up to 64, such as 10-mail.toml."
        raise BadRule(repr(path.name), "this cannot be the name of a rule file", fix)
    if not path.is_file():
        raise BadRule(path.name, "this is no regular file", "Remove it.")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        problem = f"it cannot be read ({error.strerror})"
        raise BadRule(path.name, problem, "Let this account read it.") from error
    if len(content) > MAX_FILE_BYTES:
        fix = f"Split it: a file has {MAX_FILE_BYTES // 1024} KiB at most."
        raise BadRule(path.name, "it is too large", fix)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadRule(f"{path.name}:{line}", "this is no UTF-8", "Save it as UTF-8.") from error


def _parse_toml(text: str, file: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRule(file, f"this is no TOML ({error})", "Correct it.") from error
    except (ValueError, RecursionError) as error:  # digits or brackets without end
        raise BadRule(file, "it holds a value beyond all bounds", "Shorten it.") from error


def _find_line(text: str, name: str, key: str) -> int | None:
    """Return the line of a key of a table, else of the table; None where it is written oddly."""
    table_line, is_inside = None, False
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(line):
            is_inside = name in match.groups()
            table_line = number if is_inside else table_line
        elif is_inside and key and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
            return number
    return table_line
