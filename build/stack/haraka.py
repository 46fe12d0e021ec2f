"""A real Haraka from the npm registry that receives mail and hands it on to a sink of ours."""

import shutil
import smtplib
import socket
import string
from dataclasses import dataclass
from pathlib import Path

from build.stack.command import run
from build.stack.errors import MissingError
from build.stack.packages import install_npm, node_program
from build.stack.paths import ROOT, RUN
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Program, Running, Supervisor

SOURCE = Path(__file__).with_name("haraka")
INSTALLED = RUN / "node" / "haraka"
MONITOR = "haraka-monitor"
# The folders an operator copies into Haraka's folder of plugins.
PLUGIN_FOLDERS = (MONITOR, "mallard-shared")
REDIS_DATABASE = 5  # 0 to 2 are the server's, 3 is ZoneMTA's
GREETING_TIMEOUT_SECONDS = 2
CLIENT_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Haraka:
    """A started Haraka. A client first names with `PROXY` the address it comes from."""

    smtp_port: int
    running: Running


def proxy_line(client_ip: str) -> bytes:
    """Return the first line of a connection that comes from `client_ip` (HAProxy's protocol)."""
    family = "TCP6" if ":" in client_ip else "TCP4"
    local = "::1" if ":" in client_ip else LOOPBACK
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
    processes: int = 0,
) -> Haraka:
    """Start one in `directory`/haraka that hands accepted mail on to the sink.

    With `redis_port` it greylists, with `rspamd_port` Rspamd scans the mail. `plugin_socket` is the
    agent's receiver; without it the plugin is not installed. `processes` take the connections
    beside the main process; 0: it takes them itself.
    """
    install()
    home = directory / "haraka"
    shutil.rmtree(home / "plugins", ignore_errors=True)
    for folder in ("config", "queue", "plugins"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    smtp_port = free_port()
    values: dict[str, object] = {
        "smtp_port": smtp_port,
        "processes": processes,
        "sink_port": sink_port,
        "redis_port": redis_port,
        "redis_database": REDIS_DATABASE,
        "rspamd_port": rspamd_port,
        "plugin_socket": plugin_socket,
        "monitor": MONITOR if plugin_socket else "",
        "greylist": "greylist" if redis_port else "",
        "rspamd": "rspamd" if rspamd_port else "",
    }
    for template in (SOURCE / "config").iterdir():
        text = string.Template(template.read_text()).substitute(values)
        (home / "config" / template.name).write_text(text)
    _make_certificate(home / "config")
    _install_plugins(home / "plugins")
    running = supervisor.start(
        Program(
            name="haraka",
            argv=[
                *(node_program(), INSTALLED / "node_modules" / "Haraka" / "bin" / "haraka"),
                *("-c", home),
            ],
            cwd=home,
            is_ready=lambda: _greets(smtp_port),
            ready_within_s=60,
        )
    )
    return Haraka(smtp_port, running)


def install() -> None:
    """Install the locked packages under .run once; at once when they are there."""
    install_npm(SOURCE, INSTALLED)


def _install_plugins(plugins: Path) -> None:
    for plugin in (SOURCE / "plugins").iterdir():
        shutil.copy(plugin, plugins)
    for folder in PLUGIN_FOLDERS:
        shutil.copytree(
            ROOT / "agent" / "plugins" / folder,
            plugins / folder,
            ignore=shutil.ignore_patterns("test"),
        )


def _make_certificate(config: Path) -> None:
    """Make a key and a certificate of its own for STARTTLS, once."""
    key, certificate = config / "tls_key.pem", config / "tls_cert.pem"
    if certificate.exists():
        return
    if shutil.which("openssl") is None:
        message = "openssl is missing (apt-get install openssl)"
        raise MissingError(message)
    run(
        [
            *("openssl", "req", "-x509", "-nodes", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "30"),
            *("-subj", "/CN=mx-in.test", "-keyout", key, "-out", certificate),
        ]
    )


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(
            (LOOPBACK, port), timeout=GREETING_TIMEOUT_SECONDS
        ) as connection:
            connection.sendall(proxy_line("192.0.2.1"))
            return connection.recv(3) == b"220"
    except OSError:
        return False
