"""A real ZoneMTA from the npm registry, delivering to a sink of ours instead of the world."""

import json
import smtplib
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from build.stack.packages import install_npm, node_program
from build.stack.paths import ROOT, RUN
from build.stack.ports import LOOPBACK, answers, free_ports
from build.stack.supervisor import Program, Running, Supervisor

PACKAGE = "@zone-eu/zone-mta"
SOURCE = Path(__file__).with_name("zonemta")
INSTALLED = RUN / "node" / "zonemta"
# Where the agent's plugins for mail programs lie; ZoneMTA finds each by its folder's name.
PLUGINS = ROOT / "agent" / "plugins"
MONITOR = "zone-mta-monitor"
DATABASE = "zone-mta"
GREETING_TIMEOUT_SECONDS = 2
# Logged by the main process for a plugin that only it loads, once its zones are there.
LAST_LOADED = b"Initialized Email Bounce Notification"
REDIS_DATABASE = 3  # 0 to 2 are the server's


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A sending zone: mail of these sender or recipient domains, or all that no other zone takes.

    `port` is where it delivers instead of to the sink; a port that nothing listens on makes every
    attempt a connection error. `addresses` are the local ones it sends from, by turns.
    """

    name: str
    sender_domains: tuple[str, ...] = ()
    recipient_domains: tuple[str, ...] = ()
    processes: int = 1
    connections: int = 5
    port: int | None = None
    addresses: tuple[str, ...] = (LOOPBACK,)


DEFAULT_ZONES = (Zone(name="default"), Zone(name="bounces", connections=2))


@dataclass(frozen=True)
class ZoneMta:
    """A started ZoneMTA: SMTP submission without a password, and its HTTP API."""

    smtp_port: int
    api_port: int
    instance_id: str
    running: Running


def start(
    supervisor: Supervisor,
    directory: Path,
    *,
    mongo_uri: str,
    redis_port: int,
    sink_port: int,
    plugin_socket: Path | None = None,
    defer_times_ms: Sequence[int] = (),
    zones: Sequence[Zone] = DEFAULT_ZONES,
    instance_id: str = "mta-01",
    api_port: int | None = None,
) -> ZoneMta:
    """Start one that keeps its queue in the database `zone-mta` at `mongo_uri`.

    `plugin_socket` is where the agent's receiver listens; without it the plugin is not installed.
    `defer_times_ms` are the waits between attempts: the failure after the last one bounces
    (ZoneMTA's own, when empty: 17 waits from 5 minutes to 4 hours).
    """
    install()
    home = directory / "zonemta"
    home.mkdir(parents=True, exist_ok=True)
    smtp_port, free_api_port, queue_server_port = free_ports(3)
    api_port = api_port or free_api_port
    config = home / "zonemta.toml"
    config.write_text(
        render(
            mongo_uri=mongo_uri,
            redis_port=redis_port,
            sink_port=sink_port,
            smtp_port=smtp_port,
            api_port=api_port,
            queue_server_port=queue_server_port,
            plugin_socket=plugin_socket,
            defer_times_ms=defer_times_ms,
            zones=zones,
            instance_id=instance_id,
        )
    )
    log = supervisor.log_directory / "zonemta.log"
    size_before = log.stat().st_size if log.exists() else 0
    running = supervisor.start(
        Program(
            name="zonemta",
            argv=[node_program(), "app.js", f"--config={config}"],
            cwd=INSTALLED / "node_modules" / PACKAGE,
            environment={"NODE_ENV": "production"},
            is_ready=lambda: (
                _is_loaded(log, size_before) and answers(api_port) and _greets(smtp_port)
            ),
            ready_within_s=60,
        )
    )
    return ZoneMta(smtp_port, api_port, instance_id, running)


def _is_loaded(log: Path, size_before: int) -> bool:
    """Return whether its main process has its zones and plugins.

    It accepts mail before that, but puts all of it into the default zone and sends no
    notification of a bounce.
    """
    with log.open("rb") as file:
        file.seek(min(size_before, log.stat().st_size))
        return LAST_LOADED in file.read()


def _greets(port: int) -> bool:
    """Return whether mail is accepted: the port is open before a process takes connections."""
    try:
        with smtplib.SMTP(LOOPBACK, port, timeout=GREETING_TIMEOUT_SECONDS):
            return True
    except (OSError, smtplib.SMTPException):
        return False


def install() -> None:
    """Install the locked packages under .run once; at once when they are there."""
    install_npm(SOURCE, INSTALLED)


def render(
    *,
    mongo_uri: str,
    sink_port: int,
    plugin_socket: Path | None,
    defer_times_ms: Sequence[int],
    zones: Sequence[Zone],
    instance_id: str,
    **ports: int,
) -> str:
    """Return the configuration file; `ports` are those of the template. JSON's strings, numbers and
    lists are TOML's too."""
    template = string.Template((SOURCE / "zonemta.toml.in").read_text())
    return template.substitute(
        ports,
        plugins_path=json.dumps(str(PLUGINS)),
        mongo_uri=json.dumps(mongo_uri),
        mongo_database=json.dumps(DATABASE),
        redis_database=REDIS_DATABASE,
        instance_id=json.dumps(instance_id),
        defer_times=f"deferTimes = {json.dumps(list(defer_times_ms))}" if defer_times_ms else "",
        pools="\n".join(_pool(zone, instance_id=instance_id) for zone in zones),
        zones="\n".join(_zone(zone, sink_port=sink_port) for zone in zones),
        monitor=_monitor(plugin_socket),
    )


def _zone(zone: Zone, *, sink_port: int) -> str:
    domains = {"senderDomains": zone.sender_domains, "recipientDomains": zone.recipient_domains}
    return "\n".join(
        [
            f"[zones.{json.dumps(zone.name)}]",
            f'host = "{LOOPBACK}"',
            f"port = {zone.port or sink_port}",
            f"processes = {zone.processes}",
            f"connections = {zone.connections}",
            "ignoreTLS = true",
            f"pool = {json.dumps(zone.name)}",
            *(f"{key} = {json.dumps(list(names))}" for key, names in domains.items() if names),
            "",
        ]
    )


def _pool(zone: Zone, *, instance_id: str) -> str:
    return "\n".join(
        f"[[pools.{json.dumps(zone.name)}]]\naddress = {json.dumps(address)}\n"
        f"name = {json.dumps(f'{instance_id}.test')}\n"
        for address in zone.addresses
    )


def _monitor(socket: Path | None) -> str:
    if socket is None:
        return ""
    return "\n".join(
        [
            f'[plugins."{MONITOR}"]',
            'enabled = ["main", "receiver", "sender"]',
            f"socket = {json.dumps(str(socket))}",
            "",
        ]
    )
