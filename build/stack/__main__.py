"""`python -m build.stack`: run a command beside private services, and end what runs.

python -m build.stack exec postgres redis -- COMMAND …   with DATABASE_URL and REDIS_URL set
python -m build.stack stop                               end the demo and every leftover
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from build.stack import claim, postgres, redis
from build.stack.command import report_progress, run_main, step
from build.stack.paths import RUN
from build.stack.supervisor import (
    STOP_WITHIN_SECONDS,
    Supervisor,
    end,
    is_alive,
    leaving_no_child,
    stop_leftovers,
    sweep_temporary_runs,
    temporary_run,
)

DEMO = RUN / "demo"
#: Service → the variable that names one of the user's own instead, and how ours is started.
SERVICES: Mapping[str, tuple[str, Callable[[Supervisor, Path], str]]] = {
    "postgres": (
        "DATABASE_URL",
        lambda supervisor, directory: postgres.start(supervisor, directory, durable=False).url,
    ),
    "redis": ("REDIS_URL", lambda supervisor, directory: redis.start(supervisor, directory).url),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m build.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("exec", help="run a command beside private services")
    runner.add_argument("services", nargs="*", choices=[*SERVICES, []], metavar="SERVICE")
    commands.add_parser("stop", help="end the demo and what earlier runs left behind")

    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    program = sys.argv[at + 1 :]
    options = parser.parse_args(sys.argv[1:at])
    if options.command == "exec" and not program:
        parser.error("exec needs a command after --")

    return execute(options.services, program) if options.command == "exec" else stop()


def execute(services: Sequence[str], program: Sequence[str]) -> int:
    with temporary_run() as supervisor, leaving_no_child():
        environment = dict(os.environ)
        for name in services:
            variable, start = SERVICES[name]
            if variable not in environment:
                with step(name):
                    environment[variable] = start(supervisor, supervisor.directory)
        return run_in_foreground(program, environment)


def run_in_foreground(program: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command that keeps the terminal; whatever ends us ends it first."""
    child = subprocess.Popen(program, env=environment)
    try:
        return child.wait()
    except BaseException as reason:
        # Ctrl-C in the terminal has reached it as well. SIGTERM has not, and pytest would not clean
        # up after it: so that becomes a Ctrl-C.
        if not isinstance(reason, KeyboardInterrupt):
            child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=STOP_WITHIN_SECONDS)
        child.kill()
        child.wait()
        raise


def stop() -> int:
    """End the demo and every leftover; exit code 0 when nothing of it runs afterwards."""
    names = []
    if runner := claim.find_runner(DEMO):
        report_progress("mallard: stopping the demo")
        names.append("the demo")
        end([runner], signal.SIGTERM, within_s=STOP_WITHIN_SECONDS * 2)
    names += stop_leftovers(DEMO) + sweep_temporary_runs()
    print(f"mallard: stopped {', '.join(names)}" if names else "mallard: nothing was running")
    return 1 if runner and is_alive(runner) else 0


if __name__ == "__main__":
    run_main(main)
