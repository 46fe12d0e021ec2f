"""Mallard's agent, as the node that a test's or the demo's ZoneMTA is."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from build.stack.paths import ROOT, socket_directory
from build.stack.ports import answers
from build.stack.supervisor import Program, Running, Supervisor, python

#: The path of a frozen agent; with it, whatever starts an agent here starts that one.
BINARY_VARIABLE = "AGENT_BINARY"


@dataclass(frozen=True)
class Agent:
    """A started agent and the socket of its receiver."""

    socket: Path
    running: Running


def receiver_socket(directory: Path) -> Path:
    return socket_directory(directory / "agent-run") / "receiver.sock"


def start(
    supervisor: Supervisor,
    directory: Path,
    *,
    server_url: str,
    api_key: str,
    node: str = "mta-01",
    mongo_uri: str = "",
    environment: Mapping[str, str] | None = None,
    restarts: int = 0,
    program: Sequence[str | Path] | None = None,
) -> Agent:
    """Start one with its state in `directory`/agent. Without `mongo_uri` it follows no stream.

    `program`: the command to start instead of this checkout's source or AGENT_BINARY's file.
    """
    home = directory / "agent"
    home.mkdir(parents=True, exist_ok=True)
    config = home / "agent.toml"
    config.touch()  # or a configuration of this machine in /etc would be read
    listening = receiver_socket(directory)
    started = Program(
        name="agent",
        # The agent takes a variable of its prefix that it does not know for a mistake.
        argv=["env", "-u", BINARY_VARIABLE, *(program or command()), "run"],
        environment={
            "PYTHONPATH": str(ROOT),
            "DASHBOARD_URL": server_url,
            "API_KEY": api_key,
            "NODE_ID": node,
            "NODE_ROLE": "zonemta",
            "LOG_LEVEL": "INFO",
            "AGENT_STATE_DIR": str(home),
            "AGENT_RUNTIME_DIR": str(listening.parent),
            "AGENT_CONFIG": str(config),
            **({"AGENT_ZONEMTA_MONGODB_URI": mongo_uri} if mongo_uri else {}),
            **(environment or {}),
        },
        cwd=home,
        is_ready=lambda: answers(listening),
        restarts=restarts,
    )
    return Agent(listening, supervisor.start(started))


def command() -> list[str]:
    """Return the agent's command: the file AGENT_BINARY names, else the source here."""
    binary = os.environ.get(BINARY_VARIABLE)
    return [str(Path(binary).resolve())] if binary else python("agent")
