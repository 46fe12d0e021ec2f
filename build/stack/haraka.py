"""A real Haraka from the npm registry that receives mail and hands it on to a sink of ours."""

import shutil
import smtplib
import socket
from dataclasses import dataclass
from pathlib import Path

from build.stack.command import run
from build.stack.packages import fill_templates, install_program, node_program
from build.stack.paths import ROOT
from build.stack.ports import LOOPBACK, answers, free_port
from build.stack.supervisor import Program, Running, Supervisor

SOURCE = Path(__file__).with_name("haraka")
MONITOR = "haraka-monitor"
# The folders an operator copies into Haraka's folder of plugins.
PLUGIN_FOLDERS = (MONITOR, "mallard-shared")
CLIENT_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Haraka:
    """A started Haraka. A client first names with `PROXY` the address it comes from."""

    smtp_port: int
    running: Running


def proxy_line(client_ip: str) -> bytes:
    """Return the first line of a connection that comes from `client_ip` (HAProxy's protocol)."""
    family, local = ("TCP6", "::1") if ":" in client_ip else ("TCP4", LOOPBACK)
    return f"PROXY {family} {client_ip} {local} 40000 25\r\n".encode()


class ProxiedSmtp(smtplib.SMTP):
    """An SMTP client that comes from an address of its choice."""

    def __init__(self, port: int, client_ip: str) -> None:
        self._client_ip = client_ip
        super().__init__(
            LOOPBACK, port, local_hostname="mail.sender.example", timeout=CLIENT_TIMEOUT_SECONDS
        )

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        connection.sendall(proxy_line(self._client_ip))
        return connection


def start(
    supervisor: Supervisor,
    directory: Path,
    *,
    sink_port: int,
    redis_port: int | None = None,
    rspamd_port: int | None = None,
    plugin_socket: Path | None = None,
    readings_ms: int = 30_000,
) -> Haraka:
    """Start one in `directory`/haraka that hands accepted mail on to the sink.

    With `redis_port` it greylists, with `rspamd_port` Rspamd scans the mail. `plugin_socket` is the
    agent's receiver; without it the plugin is not installed. It reports every `readings_ms`.
    """
    haraka = install_program("haraka") / "Haraka" / "bin" / "haraka"
    home = directory / "haraka"
    shutil.rmtree(home / "plugins", ignore_errors=True)
    (home / "queue").mkdir(parents=True, exist_ok=True)
    smtp_port = free_port()
    fill_templates(
        SOURCE / "config",
        home / "config",
        smtp_port=smtp_port,
        sink_port=sink_port,
        redis_port=redis_port,
        rspamd_port=rspamd_port,
        plugin_socket=plugin_socket,
        readings_ms=readings_ms,
        monitor=MONITOR if plugin_socket else "",
        greylist="greylist" if redis_port else "",
        rspamd="rspamd" if rspamd_port else "",
    )
    run(["sh", SOURCE / "certificate.sh", home / "config"])
    shutil.copytree(SOURCE / "plugins", home / "plugins")
    for folder in PLUGIN_FOLDERS:
        source = ROOT / "agent" / "plugins" / folder
        shutil.copytree(source, home / "plugins" / folder, ignore=shutil.ignore_patterns("test"))
    program = Program(
        name="haraka",
        argv=[node_program(), haraka, "-c", home],
        cwd=home,
        is_ready=lambda: answers(smtp_port, send=proxy_line("192.0.2.1"), greeting=b"220"),
        ready_within_s=60,
    )
    return Haraka(smtp_port, supervisor.start(program))
