"""Run another command to its end, or one of our own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from build.stack.errors import StackError
from build.stack.paths import ROOT
from build.stack.supervisor import end_on_signals

TIMEOUT_SECONDS = 600
MAX_LINES_SHOWN = 20


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    timeout_s: float = TIMEOUT_SECONDS,
    may_fail: bool = False,
) -> str:
    """Return the standard output of a command; `environment` is added to ours.

    Standard error goes to `log` if given. Raise StackError with the command's last lines when it
    takes too long, or fails and may not.
    """
    name = " ".join(str(part) for part in argv[:4])
    try:
        result = subprocess.run(
            [str(part) for part in argv],
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{name} did not end within {timeout_s:g} s") from error
    except OSError as error:
        raise StackError(f"{name}: {error}") from error
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(result.stderr)
    if result.returncode and not may_fail:
        lines = "\n".join((result.stdout + result.stderr).splitlines()[-MAX_LINES_SHOWN:])
        raise StackError(f"{name} failed with code {result.returncode}:\n{lines}")
    return result.stdout


def report_progress(text: str) -> None:
    """Print to standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Print what is being done, and how long it took."""
    started_at = time.monotonic()
    print(f"mallard: {name} … ", end="", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        print(file=sys.stderr, flush=True)
        raise
    print(f"{time.monotonic() - started_at:.1f} s", file=sys.stderr, flush=True)


def run_main(main: Callable[[], int]) -> NoReturn:
    """End with the exit code of a command of ours; a StackError is printed and gives 1."""
    end_on_signals()
    try:
        code = main()
    except StackError as error:
        report_progress(f"mallard: {error}")
        code = 1
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    raise SystemExit(code)
