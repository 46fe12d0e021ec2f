"""`python -m build.lab SCENARIO`: measure the installation, or break it and look for losses.

The last line of standard output is JSON; progress goes to standard error. The exit code is 1 when
anything is lost, stored twice, wrong or over its budget.
"""

import argparse
import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from build.lab.report import report_progress
from build.stack.errors import AlreadyRunningError, StackError
from build.stack.supervisor import end_on_signals

SCENARIOS = Path(__file__).with_name("scenarios")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the scenario that the command line names; return the exit code."""
    names = sorted(path.stem for path in SCENARIOS.glob("[!_]*.py"))
    parser = argparse.ArgumentParser(
        prog="python -m build.lab",
        description=__doc__,
        epilog="\n".join(f"{name:16}{read_docstring(name).splitlines()[0]}" for name in names),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", choices=names, metavar="SCENARIO")
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = parser.parse_args(arguments[:1]).scenario
    scenario = importlib.import_module(f"build.lab.scenarios.{name}")
    parser = argparse.ArgumentParser(
        prog=f"python -m build.lab {name}",
        description=scenario.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scenario.add_options(parser)
    options = parser.parse_args(arguments[1:])
    end_on_signals()
    try:
        return int(scenario.run(options))
    except AlreadyRunningError:
        report_progress("mallard: this scenario runs already")
    except StackError as error:
        report_progress(f"mallard: {error}")
    return 1


def read_docstring(name: str) -> str:
    """Return a scenario's docstring without importing it: some need Django set up."""
    tree = ast.parse((SCENARIOS / f"{name}.py").read_text())
    return ast.get_docstring(tree) or name


if __name__ == "__main__":
    raise SystemExit(main())
