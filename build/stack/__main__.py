"""`python -m build.stack`: run a command beside private services, and see or end what runs.

python -m build.stack exec postgres redis -- COMMAND …   with DATABASE_URL and REDIS_URL set
python -m build.stack status                             what runs
python -m build.stack stop                               end the demo and every leftover
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from build.stack import claim, mongodb, postgres, redis
from build.stack.errors import StackError
from build.stack.paths import LOGS, RUN
from build.stack.supervisor import (
    STOP_WITHIN_SECONDS,
    Supervisor,
    end,
    end_on_signals,
    is_alive,
    leaving_no_child,
    stop_leftovers,
)

EXEC_RUNS = RUN / "exec"
DEMO = RUN / "demo"


def start_postgres(supervisor: Supervisor, directory: Path) -> Mapping[str, str]:
    """Start PostgreSQL unless DATABASE_URL names one; return what to add to the environment."""
    if "DATABASE_URL" in os.environ:
        return {}
    return {"DATABASE_URL": postgres.start(supervisor, directory, durable=False).url}


def start_redis(supervisor: Supervisor, directory: Path) -> Mapping[str, str]:
    """Start Redis unless REDIS_URL names one; return what to add to the environment."""
    if "REDIS_URL" in os.environ:
        return {}
    return {"REDIS_URL": redis.start(supervisor, directory).url}


def start_mongodb(supervisor: Supervisor, directory: Path) -> Mapping[str, str]:
    """Start MongoDB unless MONGODB_URI names one; return what to add to the environment."""
    if "MONGODB_URI" in os.environ:
        return {}
    return {"MONGODB_URI": mongodb.start(supervisor, directory).uri}


SERVICES: Mapping[str, Callable[[Supervisor, Path], Mapping[str, str]]] = {
    "postgres": start_postgres,
    "redis": start_redis,
    "mongodb": start_mongodb,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m build.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("exec", help="run a command beside private services")
    runner.add_argument("services", nargs="*", choices=[*SERVICES, []], metavar="SERVICE")
    runner.add_argument(
        "--failed",
        action="append",
        default=[],
        metavar="STEP",
        help="a step that failed before: the command runs all the same, the exit code is 1",
    )
    commands.add_parser("status", help="say what runs")
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
            for step in options.failed:
                print(f"mallard: {step} failed, see above; going on", file=sys.stderr)
            code = execute(options.services, program)
            return code or (1 if options.failed else 0)
        return {"status": status, "stop": stop}[options.command]()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except StackError as error:
        print(f"mallard: {error}", file=sys.stderr)
        return 1


def execute(services: Sequence[str], program: Sequence[str]) -> int:
    """Start `services`, run `program` with their addresses, stop them; return its exit code."""
    sweep()
    directory = EXEC_RUNS / str(os.getpid())
    try:
        with (
            claim.claimed(directory),
            leaving_no_child(),
            Supervisor(directory, log_directory=LOGS / "test") as supervisor,
        ):
            environment = dict(os.environ)
            for name in services:
                started_at = time.monotonic()
                environment |= SERVICES[name](supervisor, directory)
                report(name, since=started_at)
            return run_in_foreground(program, environment)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


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


def report(what: str, *, since: float) -> None:
    """Say that something is up and how long it took (`since` is on the monotonic clock)."""
    print(f"mallard: {what} ({time.monotonic() - since:.1f} s)", file=sys.stderr, flush=True)


def sweep() -> list[str]:
    """End what dead test runs left behind and remove their data; return the programs' names."""
    names = []
    for directory in EXEC_RUNS.glob("*"):
        if not claim.is_claimed(directory):
            names += stop_leftovers(directory)
            shutil.rmtree(directory, ignore_errors=True)
    return names


def status() -> int:
    """Print what runs; exit code 0 when the demo does, 3 when not."""
    runner = claim.runner_of(DEMO)
    if runner is None:
        print("mallard: the demo does not run")
        return 3
    print(f"mallard: the demo runs at {claim.read_note(DEMO).get('address', 'no address yet')}")
    return 0


def stop() -> int:
    """End the demo and every leftover; exit code 0 when nothing of it runs afterwards."""
    names = []
    runner = claim.runner_of(DEMO)
    if runner is not None:
        print("mallard: stopping the demo", file=sys.stderr)
        names.append("the demo")
        end([runner], signal.SIGTERM, within_s=STOP_WITHIN_SECONDS * 2)
    names += stop_leftovers(DEMO) + sweep()
    print(f"mallard: stopped {', '.join(names)}" if names else "mallard: nothing was running")
    return 1 if runner is not None and is_alive(runner) else 0


if __name__ == "__main__":
    raise SystemExit(main())
