"""`python -m build.lab SCENARIO`: measure the installation, or break it and look for losses.

The last line of standard output is JSON; progress goes to standard error. The exit code is 1 when
anything is lost, stored twice, wrong or over its budget.
"""

import argparse
import importlib
from pathlib import Path

from build.stack.command import run_main

SCENARIOS = Path(__file__).with_name("scenarios")


def main() -> int:
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
    options = parser.parse_args()
    return int(options.run(options))


if __name__ == "__main__":
    run_main(main)
