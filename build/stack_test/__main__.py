"""`python -m build.stack_test`: mail with known outcomes through the real programs, in every mode.

The last lines of standard output are JSON, one a mode. Ends with 1 when anything reported is
missing, twice or wrong; what is inferred may be wrong, and is counted.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence

from build.bench import arrangement
from build.bench.arrangement import Arrangement, say
from build.stack.errors import StackError
from build.stack.supervisor import end_on_signals
from build.stack_test import run_inbound, run_outbound
from build.stack_test.compare import Verdict
from build.stack_test.run_outbound import MODES

NAME = "stack-test"


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m build.stack_test", description=__doc__)
    parser.add_argument("--messages", type=int, default=5000, help="of each mode")
    parser.add_argument("--seed", type=int, default=1)
    every = [*(mode.name for mode in MODES), run_inbound.MODE]
    parser.add_argument("--modes", default=",".join(every), help="separated by commas")
    parser.add_argument("--harm", choices=("no", "yes", "both"), default="both")
    options = parser.parse_args()
    names = options.modes.split(",")
    if unknown := set(names) - set(every):
        parser.error(f"no such mode: {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    harms = {"no": [False], "yes": [True], "both": [False, True]}[options.harm]
    runs = [(name, harmed) for harmed in harms for name in every if name in names]
    end_on_signals()
    try:
        nodes = [node_of(name, harmed=harmed) for name, harmed in runs]
        with arrangement.running(NAME, nodes=nodes) as running:
            verdicts = judged(running, runs, messages=options.messages, seed=options.seed)
    except StackError as error:
        say(f"mallard: {error}")
        return 1
    for verdict in verdicts:
        print(verdict.as_json(), flush=True)
    return 0 if all(verdict.is_clean for verdict in verdicts) else 1


def node_of(mode: str, *, harmed: bool) -> str:
    """Return the name of the node of a run."""
    return f"stack-{mode}" + ("-harmed" if harmed else "")


def judged(
    running: Arrangement, runs: Sequence[tuple[str, bool]], *, messages: int, seed: int
) -> list[Verdict]:
    """Run one after the other; say of each what it found."""
    by_name = {mode.name: mode for mode in MODES}
    verdicts = []
    for name, harmed in runs:
        node = node_of(name, harmed=harmed)
        directory = running.supervisor.directory / node
        shutil.rmtree(directory, ignore_errors=True)
        if name == run_inbound.MODE:
            verdict = run_inbound.run(
                running, directory, node=node, messages=messages, harmed=harmed
            )
        else:
            verdict = run_outbound.run(
                running,
                directory,
                by_name[name],
                node=node,
                messages=messages,
                seed=seed,
                harmed=harmed,
            )
        shutil.rmtree(directory, ignore_errors=True)
        for line in report(verdict):
            say(f"  {line}")
        verdicts.append(verdict)
    return verdicts


def report(verdict: Verdict) -> list[str]:
    """Return what a person wants to know beyond the numbers."""
    lines = [verdict.as_json()]
    if verdict.uncounted:
        lines.append(f"ZoneMTA's own counters less what was captured: {verdict.uncounted}")
    if verdict.wrong_fields:
        lines.append(f"wrong fields: {dict(verdict.wrong_fields)}")
    if verdict.inferred_as:
        lines.append(f"inferred otherwise: {dict(verdict.inferred_as)}")
    lines += [f"{kind}: {text}" for kind, texts in verdict.examples.items() for text in texts]
    return lines


if __name__ == "__main__":
    sys.exit(main())
