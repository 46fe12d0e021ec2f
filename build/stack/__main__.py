"""`python -m build.stack`: run a command beside private services, and list or end what runs.

python -m build.stack exec postgres redis -- COMMAND …   with DATABASE_URL and REDIS_URL set
python -m build.stack status                             print whether the demo runs, and where
python -m build.stack stop                               end the demo and every leftover
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from build.stack import claim, postgres, redis
from build.stack.errors import StackError
from build.stack.paths import RUN
from build.stack.supervisor import (
    STOP_WITHIN_SECONDS,
    Supervisor,
    end,
    end_on_signals,
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


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m build.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("exec", help="run a command beside private services")
    runner.add_argument("services", nargs="*", choices=[*SERVICES, []], metavar="SERVICE")
    commands.add_parser("status", help="print what runs")
    commands.add_parser("stop", help="end the demo and what earlier runs left behind")

    arguments = list(sys.argv[1:] if argv is None else argv)
    program: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, program = arguments[:at], arguments[at + 1 :]
    options = parser.parse_args(arguments)
    if options.command == "exec" and not program:
        parser.error("exec needs a command after --")

    end_on_signals()
    try:
        if options.command == "exec":
            return execute(options.services, program)
        return {"status": status, "stop": stop}[options.command]()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except StackError as error:
        print(f"mallard: {error}", file=sys.stderr)
        return 1


def execute(services: Sequence[str], program: Sequence[str]) -> int:
    with temporary_run() as supervisor, leaving_no_child():
        environment = dict(os.environ)
        for name in services:
            variable, start = SERVICES[name]
            if variable not in environment:
                started_at = time.monotonic()
                environment[variable] = start(supervisor, supervisor.directory)
                seconds = time.monotonic() - started_at
                print(f"mallard: {name} ({seconds:.1f} s)", file=sys.stderr, flush=True)
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


def status() -> int:
    if claim.find_runner(DEMO) is None:
        print("mallard: the demo does not run")
        return 3
    print(f"mallard: the demo runs at {claim.read_note(DEMO).get('address', 'no address yet')}")
    return 0


def stop() -> int:
    """End the demo and every leftover; exit code 0 when nothing of it runs afterwards."""
    names = []
    runner = claim.find_runner(DEMO)
    if runner is not None:
        print("mallard: stopping the demo", file=sys.stderr)
        names.append("the demo")
        end([runner], signal.SIGTERM, within_s=STOP_WITHIN_SECONDS * 2)
    names += stop_leftovers(DEMO) + sweep_temporary_runs()
    print(f"mallard: stopped {', '.join(names)}" if names else "mallard: nothing was running")
    return 1 if runner is not None and is_alive(runner) else 0


if __name__ == "__main__":
    raise SystemExit(main())
