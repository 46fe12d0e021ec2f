"""Run a command to its end."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from build.stack.errors import StackError
from build.stack.paths import ROOT

TIMEOUT_SECONDS = 600
MAX_LINES_SHOWN = 20


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    timeout_s: float = TIMEOUT_SECONDS,
) -> str:
    """Return the standard output of a command; `environment` is added to ours.

    Standard error goes to `log` if given. Raise StackError with the command's last lines when it
    fails or takes too long.
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
    if result.returncode:
        lines = "\n".join((result.stdout + result.stderr).splitlines()[-MAX_LINES_SHOWN:])
        raise StackError(f"{name} failed with code {result.returncode}:\n{lines}")
    return result.stdout
