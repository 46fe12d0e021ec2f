"""A real ZoneMTA from the npm registry, delivering to a sink of ours instead of the world."""

import json
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from build.stack.packages import install_program, node_program
from build.stack.paths import ROOT
from build.stack.ports import LOOPBACK, answers, free_ports
from build.stack.supervisor import Program, Running, Supervisor

TEMPLATE = Path(__file__).parent / "zonemta" / "zonemta.toml.in"
# Where the agent's plugins for mail programs lie; ZoneMTA finds each by its folder's name.
PLUGINS = ROOT / "agent" / "plugins"
MONITOR = "zone-mta-monitor"
DATABASE = "zone-mta"
INSTANCE = "mta-01"
# Logged by the main process for a plugin that only it loads, once its zones are there.
LAST_LOADED = b"Initialized Email Bounce Notification"


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
    api_port: int | None = None,
) -> ZoneMta:
    """Start one that keeps its queue in the database `zone-mta` at `mongo_uri`.

    `plugin_socket` is where the agent's receiver listens; without it the plugin is not installed.
    `defer_times_ms` are the waits between attempts: the failure after the last one bounces
    (ZoneMTA's own, when empty: 17 waits from 5 minutes to 4 hours).
    """
    home = directory / "zonemta"
    home.mkdir(parents=True, exist_ok=True)
    smtp_port, free_api_port, queue_server_port = free_ports(3)
    api_port = api_port or free_api_port
    config = home / "zonemta.toml"
    config.write_text(
        render(
            mongo_uri=mongo_uri,
            sink_port=sink_port,
            plugin_socket=plugin_socket,
            defer_times_ms=defer_times_ms,
            zones=zones,
            redis_port=redis_port,
            smtp_port=smtp_port,
            api_port=api_port,
            queue_server_port=queue_server_port,
        )
    )
    log = supervisor.log_directory / "zonemta.log"
    size_before = log.stat().st_size if log.exists() else 0

    def is_ready() -> bool:
        # It accepts mail before its zones and plugins are there, but puts all of it into the
        # default zone and sends no notification of a bounce.
        with log.open("rb") as file:
            file.seek(min(size_before, log.stat().st_size))
            is_loaded = LAST_LOADED in file.read()
        # The port is open before a process takes connections.
        return is_loaded and answers(api_port) and answers(smtp_port, greeting=b"220")

    program = Program(
        name="zonemta",
        argv=[node_program(), "app.js", f"--config={config}"],
        cwd=install_program("zonemta") / "@zone-eu" / "zone-mta",
        environment={"NODE_ENV": "production"},
        is_ready=is_ready,
        ready_within_s=60,
    )
    return ZoneMta(smtp_port, api_port, supervisor.start(program))


def render(
    *,
    mongo_uri: str,
    sink_port: int,
    plugin_socket: Path | None,
    defer_times_ms: Sequence[int],
    zones: Sequence[Zone],
    instance_id: str = INSTANCE,
    **ports: int,
) -> str:
    """Return the configuration file; `ports` are those of the template. JSON's strings, numbers and
    lists are TOML's too."""
    sections = [
        _section(
            f"[zones.{json.dumps(zone.name)}]",
            host=LOOPBACK,
            port=zone.port or sink_port,
            processes=zone.processes,
            connections=zone.connections,
            ignoreTLS=True,
            pool=zone.name,
            senderDomains=zone.sender_domains,
            recipientDomains=zone.recipient_domains,
        )
        for zone in zones
    ]
    sections += [
        _section(f"[[pools.{json.dumps(zone.name)}]]", address=each, name=f"{instance_id}.test")
        for zone in zones
        for each in zone.addresses
    ]
    if plugin_socket:
        enabled = ("main", "receiver", "sender")
        monitor = f"[plugins.{json.dumps(MONITOR)}]"
        sections.append(_section(monitor, enabled=enabled, socket=str(plugin_socket)))
    return string.Template(TEMPLATE.read_text()).substitute(
        ports,
        plugins_path=json.dumps(str(PLUGINS)),
        mongo_uri=json.dumps(mongo_uri),
        instance_id=json.dumps(instance_id),
        defer_times=f"deferTimes = {json.dumps(defer_times_ms)}" if defer_times_ms else "",
        sections="\n".join(sections),
    )


def _section(head: str, **values: object) -> str:
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in values.items() if value)
    return f"{head}\n{''.join(lines)}"
