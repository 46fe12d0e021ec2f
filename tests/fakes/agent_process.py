"""The agent as a process of its own, as a service manager starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from build.deadline import stretch
from tests.fakes.ingest_server import KEY
from tests.fakes.plugin_connection import Connection
from tests.paths import ROOT


def program_with(changes: str) -> tuple[str, ...]:
    """Return the program of an agent whose constants are changed first, as by
    "from agent import lifecycle; lifecycle.STOP_DEADLINE_S = 1.0"."""
    start = "import sys; from agent.cli import main; sys.exit(main())"
    return sys.executable, "-c", f"{changes}; {start}"


def program_ahead(ahead_s: int | Path) -> tuple[str, ...]:
    """Return the program of an agent whose wall clock is so far ahead; a file is read at each
    start."""
    value = f"int(open({str(ahead_s)!r}).read())" if isinstance(ahead_s, Path) else ahead_s
    return program_with(
        "from datetime import timedelta; from agent import clock;"
        f" ahead_s = {value};"
        " now, now_ms, offset_ms = clock.utc_now, clock.now_ms, clock.offset_ms;"
        " clock.utc_now = lambda: now() + timedelta(seconds=ahead_s);"
        " clock.now_ms = lambda: now_ms() + 1000 * ahead_s;"
        " clock.offset_ms = lambda: offset_ms() + 1000 * ahead_s"
    )


class AgentProcess:
    """A running agent."""

    def __init__(
        self,
        directory: Path,
        url: str,
        *,
        program: Sequence[str] = (sys.executable, "-m", "agent"),
        **environment: str,
    ) -> None:
        self.directory = directory
        (directory / "agent.toml").touch()
        self.log = directory / "agent.log"
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env |= {
            "PYTHONPATH": str(ROOT),
            "DASHBOARD_URL": url,
            "API_KEY": KEY,
            "NODE_ID": "mta-01",
            "AGENT_STATE_DIR": str(directory),
            "AGENT_RUNTIME_DIR": str(directory),
            "AGENT_CONFIG": str(directory / "agent.toml"),
        } | environment
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*program, "run"], env=env, cwd=directory, stderr=log)

    def post(self, events: Any) -> int:
        """Send events as a plugin does; return the status, 0 when nothing answers."""
        connection = Connection(self.directory / "receiver.sock")
        try:
            connection.request("POST", "/v1/events", body=json.dumps(events))
            with connection.getresponse() as response:
                return response.status
        except OSError:
            return 0
        finally:
            connection.close()

    def log_text(self) -> str:
        return self.log.read_text()

    def end(self, number: int) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(stretch(20))
