"""`python -m build.audit`: known vulnerabilities of all locked packages, from PyPI and npm.

Ends with 3 when one is known in a package that users install, and with 2 where the advisory
services gave no answer, which proves nothing. Vulnerabilities in programs that only tests run, on
loopback, are printed and fail nothing.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from build.stack.command import run
from build.stack.errors import StackError
from build.stack.packages import install_python, node_environment, npm_command
from build.stack.paths import ROOT

# Not 1, which is also how Python ends by an error.
UNANSWERED, VULNERABLE = 2, 3
INSTALLED = ("agent.txt", "server.txt", "server/dashboard/vendor/package-lock.json")
# Without pip nothing is resolved again: the lock names everything.
PIP_OPTIONS = ("--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off")


@dataclass
class Report:
    """The audit of one lock: how many packages were answered for, and those that were not."""

    lock: str
    answered_count: int = 0
    vulnerabilities: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)


def main() -> int:
    argparse.ArgumentParser(prog="python -m build.audit", description=__doc__).parse_args()
    try:
        pip_audit = install_python("audit") / "bin" / "pip-audit"
        locks = run(["git", "ls-files", "*package-lock.json"]).split()
    except StackError as error:
        print(f"audit: {error}", file=sys.stderr)
        return UNANSWERED
    reports = [
        parse_pip_audit(path.name, _read_json([pip_audit, "-r", path, *PIP_OPTIONS], ROOT))
        for path in sorted(ROOT.glob("requirements/*.txt"))
    ]
    npm_audit = [*npm_command(), "audit", "--json"]
    reports += [
        parse_npm_audit(lock, _read_json(npm_audit, (ROOT / lock).parent)) for lock in locks
    ]
    for report in reports:
        print(format_report(report))
    return exit_code(reports)


def exit_code(reports: Sequence[Report]) -> int:
    if any(report.vulnerabilities for report in reports if report.lock in INSTALLED):
        return VULNERABLE
    return UNANSWERED if any(report.unanswered for report in reports) else 0


def format_report(report: Report) -> str:
    parts = [f"{report.lock}: {report.answered_count} packages checked"]
    parts += [f"VULNERABLE: {each}" for each in report.vulnerabilities]
    if names := report.unanswered:
        parts.append(f"NO ANSWER about {len(names)}: {', '.join(names)}")
    return "\n  ".join(parts)


def parse_pip_audit(lock: str, answer: dict[str, Any]) -> Report:
    if not answer:
        return Report(lock, unanswered=["all: pip-audit gave no answer"])
    report = Report(lock)
    for package in answer["dependencies"]:
        name = f"{package['name']} {package.get('version', '')}".strip()
        if "skip_reason" in package:
            report.unanswered.append(name)
            continue
        report.answered_count += 1
        for known in package["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no version"
            report.vulnerabilities.append(f"{name}: {known['id']}, fixed in {fixed}")
    return report


def parse_npm_audit(lock: str, answer: dict[str, Any]) -> Report:
    if "metadata" not in answer:
        reason = answer.get("message") or answer.get("error", {}).get("summary") or "no answer"
        return Report(lock, unanswered=[f"all: {reason}"])
    vulnerabilities = [
        f"{name} {known['range']}: {known['severity']}"
        for name, known in answer["vulnerabilities"].items()
    ]
    return Report(lock, answer["metadata"]["dependencies"]["total"], vulnerabilities)


def _read_json(argv: Sequence[str | Path], directory: Path) -> dict[str, Any]:
    """Return a command's JSON, empty when there is none. Its exit code counts vulnerabilities."""
    answer: dict[str, Any] = {}
    with contextlib.suppress(ValueError, StackError):
        text = run(argv, cwd=directory, environment=node_environment(), may_fail=True)
        answer = json.loads(text)
    return answer


if __name__ == "__main__":
    raise SystemExit(main())
