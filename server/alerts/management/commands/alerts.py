"""Check rule files, show what they would change, or put them in force."""

import getpass
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from server.alerts.definitions.changes import compare_all
from server.alerts.definitions.files import RuleFiles, read_rule_files
from server.alerts.definitions.store import load_definitions, plan_load
from server.alerts.rules import read_rules


class Command(BaseCommand):
    """`check` needs no database."""

    help = (
        "Check rule files (check), show what they would change (diff), or put them in force (load)."
        " Rules that were in the files and are no more go back to what they are by default."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["check", "diff", "load"])
        parser.add_argument(
            "path",
            nargs="?",
            type=Path,
            help="a directory of .toml files, for check also one file; else ALERT_RULES_DIR",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["path"] or (settings.ALERT_RULES_DIR and Path(settings.ALERT_RULES_DIR))
        if not path:
            raise CommandError("Name a directory, or set ALERT_RULES_DIR.")
        if options["action"] != "check" and path.is_file():
            raise CommandError(f"{path} is one file: what others define would be removed.")
        files = self._read(path)
        if options["action"] == "check":
            self.stdout.write(f"{path}: {_count(len(files.definitions))}, nothing wrong.")
        elif options["action"] == "diff":
            self._diff(files)
        else:
            self._load(files)

    def _read(self, path: Path) -> RuleFiles:
        files = read_rule_files(path)
        for problem in files.problems:
            self.stderr.write(str(problem))
        if files.problems:
            number = len(files.problems)
            errors = "1 error" if number == 1 else f"{number} errors"
            raise CommandError(f"{errors} in {path}: nothing was changed.")
        return files

    def _diff(self, files: RuleFiles) -> None:
        before = read_rules()
        after = plan_load(before, files.definitions, author=_author(), now=timezone.now())
        changes = list(compare_all(before, after))
        for change in changes:
            self.stdout.write(str(change))
        if not changes:
            self.stdout.write("Nothing would change.")

    def _load(self, files: RuleFiles) -> None:
        changes = load_definitions(files.definitions, author=_author(), now=timezone.now())
        for change in changes:
            self.stdout.write(str(change))
        changed = f"{_count(len(changes))} changed" if changes else "nothing changed"
        self.stdout.write(f"{_count(len(files.definitions))} in force, {changed}.")


def _count(number: int) -> str:
    return "1 rule" if number == 1 else f"{number} rules"


def _author() -> str:
    """Return who runs this, as the log names them."""
    try:
        return f"manage.py, {getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name
        return "manage.py"
