"""`python -m build.lab SCENARIO`: measure the installation, or break it and look for losses.

The last line of standard output is JSON; progress goes to standard error. The exit code is 1 when
anything is lost, stored twice, wrong or over its budget.
"""

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from build.lab.report import report_progress
from build.stack.errors import StackError
from build.stack.supervisor import end_on_signals

SCENARIOS = Path(__file__).with_name("scenarios")


def main(argv: Sequence[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m build.lab", description=__doc__, formatter_class=raw
    )
    commands = parser.add_subparsers(metavar="SCENARIO", required=True)
    for name in sorted(path.stem for path in SCENARIOS.glob("[!_]*.py")):
        scenario = importlib.import_module(f"build.lab.scenarios.{name}")
        text = str(scenario.__doc__)
        command = commands.add_parser(
            name, help=text.splitlines()[0], description=text, formatter_class=raw
        )
        scenario.add_options(command)
        command.set_defaults(run=scenario.run)
    options = parser.parse_args(argv)
    end_on_signals()
    try:
        return int(options.run(options))
    except StackError as error:
        report_progress(f"mallard: {error}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
