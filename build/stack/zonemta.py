"""A real ZoneMTA from the npm registry, delivering to a sink of ours instead of the world."""

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
# Logged at each start; and by the main process for a plugin that only it loads, once its zones are
# there.
STARTED = b"@zone-eu/zone-mta@"
LAST_LOADED = b"Initialized Email Bounce Notification"
#: Sending zones by name, in ZoneMTA's own words; `addresses`: the local ones that it sends from, by
#: turns. A `port` that nothing listens on makes every attempt a connection error.
Zones = Mapping[str, Mapping[str, Any]]
DEFAULT_ZONES: Zones = {"default": {}, "bounces": {"connections": 2}}


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
    zones: Zones = DEFAULT_ZONES,
    api_port: int | None = None,
) -> ZoneMta:
    """Start one that keeps its queue in the database `zone-mta` at `mongo_uri`.

    `plugin_socket` is where the agent's receiver listens; without it the plugin is not installed.
    `defer_times_ms` are the waits between attempts: the failure after the last one bounces
    (ZoneMTA's own, when empty: 17 waits from 5 minutes to 4 hours).
    """
    home = directory / "zonemta"
    home.mkdir(parents=True, exist_ok=True)
    smtp_port, queue_server_port, other_port = free_ports(3)
    api_port = api_port or other_port
    config = home / "zonemta.toml"
    text = render(
        mongo_uri=mongo_uri,
        sink_port=sink_port,
        plugin_socket=plugin_socket,
        zones=zones,
        defer_times_ms=defer_times_ms,
        redis_port=redis_port,
        smtp_port=smtp_port,
        api_port=api_port,
        queue_server_port=queue_server_port,
    )
    config.write_text(text)
    log = supervisor.log_directory / "zonemta.log"
    size_before = log.stat().st_size if log.exists() else 0

    def is_ready() -> bool:
        # It accepts mail before its zones and plugins are there, but puts all of it into the
        # default zone and sends no notification of a bounce.
        with log.open("rb") as file:
            file.seek(min(size_before, log.stat().st_size))
            is_loaded = LAST_LOADED in file.read().rpartition(STARTED)[2]
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
    zones: Zones,
    **ports: int,
) -> str:
    """Return the configuration file; `ports` are those of the template. JSON's strings, numbers and
    lists are TOML's too."""
    to_sink = {"host": LOOPBACK, "port": sink_port, "ignoreTLS": True}
    usual = {"processes": 1, "connections": 5, "addresses": [LOOPBACK], **to_sink}
    sections = []
    for name, own in zones.items():
        zone = {**usual, "pool": name, **own}
        for each in zone.pop("addresses"):
            pool = _section(f"[[pools.{json.dumps(name)}]]", address=each, name=f"{INSTANCE}.test")
            sections.append(pool)
        sections.append(_section(f"[zones.{json.dumps(name)}]", **zone))
    if plugin_socket:
        enabled = ("main", "receiver", "sender")
        monitor = f"[plugins.{json.dumps(MONITOR)}]"
        sections.append(_section(monitor, enabled=enabled, socket=str(plugin_socket)))
    return string.Template(TEMPLATE.read_text()).substitute(
        ports,
        plugins_path=json.dumps(str(PLUGINS)),
        mongo_uri=json.dumps(mongo_uri),
        instance_id=json.dumps(INSTANCE),
        defer_times=f"deferTimes = {json.dumps(defer_times_ms)}" if defer_times_ms else "",
        sections="\n".join(sections),
    )


def _section(head: str, **values: object) -> str:
    lines = (f"{name} = {json.dumps(value)}\n" for name, value in values.items() if value)
    return f"{head}\n{''.join(lines)}"
