"""A private Rspamd of the system's package, with rules and ports of ours and no network."""

import os
import shutil
import string
from dataclasses import dataclass
from pathlib import Path

from build.stack.errors import MissingError
from build.stack.paths import socket_directory
from build.stack.ports import answers_http, free_ports
from build.stack.supervisor import Program, Running, Supervisor

SOURCE = Path(__file__).with_name("rspamd")
SYSTEM_CONFIG = Path("/etc/rspamd/rspamd.conf")
REDIS_DATABASE = 6  # 0 to 2 are the server's, 3 is ZoneMTA's, 5 Haraka's
ROOT_UID = 0


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
        message = (
            "there is no Rspamd (on Debian: apt-get install --no-install-recommends rspamd; "
            "no service of it needs to run)"
        )
        raise MissingError(message)
    home = directory / "rspamd"
    folders = {name: home / name for name in ("config", "data", "log")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    scan_port, controller_port = free_ports(2)
    render(
        folders["config"], scan_port=scan_port, controller_port=controller_port,
        redis_port=redis_port,
    )  # fmt: skip
    variables = {
        "LOCAL_CONFDIR": folders["config"],
        "DBDIR": folders["data"],
        "LOGDIR": folders["log"],
        "RUNDIR": socket_directory(home / "run"),
    }
    running = supervisor.start(
        Program(
            name="rspamd",
            argv=[
                *(shutil.which("rspamd") or "rspamd", "-f", "-c", SYSTEM_CONFIG),
                *(f"--var={name}={path}" for name, path in variables.items()),
                # As root it wants a user to become, who may not see a checkout of root's. What it
                # reads here are our own messages, on loopback.
                *(["--insecure"] if os.getuid() == ROOT_UID else []),
            ],
            cwd=home,
            is_ready=lambda: all(
                answers_http(port, "/ping") for port in (scan_port, controller_port)
            ),
            ready_within_s=60,
        )
    )
    return Rspamd(scan_port, controller_port, running)


def render(config: Path, *, scan_port: int, controller_port: int, redis_port: int) -> None:
    """Write the local configuration, which is laid over the package's, into `config`."""
    for source in SOURCE.rglob("*"):
        if not source.is_file():
            continue
        target = config / source.relative_to(SOURCE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            string.Template(source.read_text()).safe_substitute(
                scan_port=scan_port,
                controller_port=controller_port,
                redis_port=redis_port,
                redis_database=REDIS_DATABASE,
                config=config,
            )
        )
