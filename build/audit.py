"""`python -m build.audit`: ask PyPI and npm for known weaknesses of everything that is locked.

Ends with 3 when one is known of what is installed at a user's, and with 2 where the advisory
services could not be asked: an audit that asked nobody has found nothing. Weaknesses of what runs
on loopback in tests alone, as the mail programs do, are printed and fail nothing.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from build.stack import node, tools
from build.stack.errors import StackError
from build.stack.paths import ROOT

TIMEOUT_S = 300
# Not 1, which is also how Python ends by an error.
NOT_ASKED, FOUND = 2, 3
INSTALLED = ("agent.txt", "server.txt", "server/dashboard/frontend/package-lock.json")


@dataclass
class Answer:
    """What one lock's audit said. `silent`: packages nobody could tell about."""

    lock: str
    asked: int = 0
    weaknesses: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


def main() -> int:
    """Audit each lock; print a line for each, and each weakness."""
    try:
        pip_audit = tools.environment("audit") / "bin" / "pip-audit"
    except StackError as error:
        print(f"audit: {error}", file=sys.stderr)
        return NOT_ASKED
    answers = [_python(pip_audit, lock) for lock in sorted((ROOT / "requirements").glob("*.txt"))]
    answers += [_javascript(lock) for lock in _package_locks()]
    for answer in answers:
        print(line(answer))
    return code(answers)


def code(answers: Sequence[Answer]) -> int:
    """Return how to end. Pure."""
    if any(answer.weaknesses for answer in answers if answer.lock in INSTALLED):
        return FOUND
    return NOT_ASKED if any(answer.silent for answer in answers) else 0


def line(answer: Answer) -> str:
    """Return what a person reads. Pure."""
    parts = [f"{answer.lock}: {answer.asked} packages asked about"]
    parts += [f"WEAK: {each}" for each in answer.weaknesses]
    if answer.silent:
        shown = ", ".join(answer.silent[:3]) + (" …" if len(answer.silent) > 3 else "")  # noqa: PLR2004
        parts.append(f"NOT ASKED about {len(answer.silent)}: {shown}")
    return "\n  ".join(parts)


def of_pip_audit(lock: str, said: dict[str, Any]) -> Answer:
    """Return the answer out of pip-audit's JSON. Pure."""
    answer = Answer(lock)
    for package in said["dependencies"]:
        name = f"{package['name']} {package.get('version', '')}".strip()
        if "skip_reason" in package:
            answer.silent.append(name)
            continue
        answer.asked += 1
        for known in package["vulns"]:
            mended = ", ".join(known["fix_versions"]) or "no version"
            answer.weaknesses.append(f"{name}: {known['id']}, mended in {mended}")
    return answer


def of_npm(lock: str, said: dict[str, Any]) -> Answer:
    """Return the answer out of `npm audit --json`. Pure."""
    if "metadata" not in said:
        words = said.get("message") or said.get("error", {}).get("summary") or "no answer"
        return Answer(lock, silent=[f"all: {words}"])
    answer = Answer(lock, asked=said["metadata"]["dependencies"]["total"])
    for name, known in said["vulnerabilities"].items():
        answer.weaknesses.append(f"{name} {known['range']}: {known['severity']}")
    return answer


def _python(pip_audit: Path, lock: Path) -> Answer:
    # Without pip nothing is resolved or installed again: the lock says it all.
    argv = [pip_audit, "-r", lock, "--disable-pip", "--require-hashes", "--format", "json",
            "--progress-spinner", "off"]  # fmt: skip
    return of_pip_audit(lock.name, _json(argv, ROOT) or {"dependencies": [
        {"name": lock.name, "skip_reason": "pip-audit gave no answer"}]})  # fmt: skip


def _javascript(lock: Path) -> Answer:
    said = _json([*node.npm(), "audit", "--json"], lock.parent)
    return of_npm(str(lock.relative_to(ROOT)), said or {})


def _package_locks() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*package-lock.json"],
        cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split()]


def _json(argv: list[Any], directory: Path) -> dict[str, Any] | None:
    try:
        done = subprocess.run(
            argv, cwd=directory, env=node.environment(), capture_output=True, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        said: dict[str, Any] = json.loads(done.stdout)
    except (ValueError, subprocess.TimeoutExpired):
        return None
    return said


if __name__ == "__main__":
    raise SystemExit(main())
