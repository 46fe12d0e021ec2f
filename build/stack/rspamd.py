"""A private Rspamd of the system's package, with rules and ports of ours and no network."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from build.stack.errors import MissingError
from build.stack.packages import fill_templates
from build.stack.paths import socket_directory
from build.stack.ports import answers_http, free_ports
from build.stack.supervisor import Program, Running, Supervisor

SOURCE = Path(__file__).with_name("rspamd")
SYSTEM_CONFIG = Path("/etc/rspamd/rspamd.conf")


@dataclass(frozen=True)
class Rspamd:
    """A started Rspamd: the port of the scanner, and that of its counters."""

    scan_port: int
    controller_port: int
    running: Running


def is_installed() -> bool:
    """Return whether the system has an Rspamd that can be started privately."""
    return shutil.which("rspamd") is not None and SYSTEM_CONFIG.exists()


def start(supervisor: Supervisor, directory: Path, *, redis_port: int) -> Rspamd:
    """Start one with its data in `directory`/rspamd. Raise MissingError when there is none."""
    if not is_installed():
        raise MissingError(
            "there is no Rspamd (on Debian: apt-get install --no-install-recommends rspamd; "
            "no service of it needs to run)"
        )
    home = directory / "rspamd"
    folders = {"LOCAL_CONFDIR": "config", "DBDIR": "data", "LOGDIR": "log"}
    variables = {name: home / folder for name, folder in folders.items()}
    for folder in variables.values():
        folder.mkdir(parents=True, exist_ok=True)
    scan_port, controller_port = free_ports(2)
    # Laid over the package's own configuration.
    config = variables["LOCAL_CONFDIR"]
    fill_templates(
        SOURCE,
        config,
        config=config,
        scan_port=scan_port,
        controller_port=controller_port,
        redis_port=redis_port,
    )
    variables["RUNDIR"] = socket_directory(home / "run")
    program = Program(
        name="rspamd",
        argv=[
            *("rspamd", "-f", "-c", SYSTEM_CONFIG),
            *(f"--var={name}={path}" for name, path in variables.items()),
            # As root it wants a user to become, who may not see a checkout of root's. What it
            # reads here are our own messages, on loopback.
            *(["--insecure"] if os.getuid() == 0 else []),
        ],
        cwd=home,
        is_ready=lambda: all(answers_http(port, "/ping") for port in (scan_port, controller_port)),
        ready_within_s=60,
    )
    return Rspamd(scan_port, controller_port, supervisor.start(program))
