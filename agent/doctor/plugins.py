"""Checks of the running agent's receiver, of the plugins that report to it, and of the ports of
this node's mail programs."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from agent import clock
from agent.collectors.ports import PortWatch
from agent.config import Config
from agent.doctor.finding import Finding
from agent.doctor.running import judge_sends
from agent.events.receiver import health_client
from agent.events.receiver.server import SOCKET_NAME
from agent.roles import ports_of, programs_of

PLUGIN_SILENT = timedelta(hours=1)


def check_receiver(config: Config) -> Iterator[Finding]:
    """Query the health of the running agent over its socket."""
    if not config.receiver.enabled:
        yield Finding("note", "receiver", "It is disabled in [receiver].")
        return
    path = Path(config.runtime_dir) / SOCKET_NAME
    try:
        health = health_client.read_health(path)
    except OSError as error:
        yield Finding(
            "warning",
            "receiver",
            f"Nothing responds at {path} ({error.strerror or error}).",
            "Start the agent (systemctl start mallard-agent); if it runs, AGENT_RUNTIME_DIR of it"
            " and of this command must be the same.",
        )
        return
    if health is None:
        line = f"The program that responds at {path} is not the agent."
        yield Finding("failure", "receiver", line)
        return
    yield Finding("ok", "receiver", f"The agent runs and listens at {path}.")
    yield from judge_sends(health, now=clock.utc_now())
    for name, stuck_s in sorted(health.stuck_s.items()):
        yield Finding(
            "warning",
            "sources",
            f"{name} of the running agent has been stuck for {stuck_s:.0f} s; its readings are"
            " missing, the other collectors continue.",
            "The program, disk or mount it reads hangs: check that program and dmesg. If it works"
            " again and the collector is still stuck, restart the agent.",
        )


def judge_plugins(plugin: dict[str, Any], *, now: datetime) -> Iterator[Finding]:
    last_at = plugin["heard_at"]
    if last_at is None:
        yield Finding(
            "warning",
            "plugin",
            "No plugin of a mail program has ever reported.",
            "Install it (agent/plugins in the source, or the Ansible role) and restart the program;"
            " without it the replies of remote servers are not known.",
        )
    elif now - datetime.fromisoformat(last_at) > PLUGIN_SILENT:
        line = f"No plugin has reported since {last_at}."
        fix = "Is there no mail, or did an upgrade disable the plugin?"
        yield Finding("warning", "plugin", line, fix)
    else:
        yield Finding("ok", "plugin", f"Last report at {last_at}.")
    if dropped := plugin["dropped"]:
        line = f"The plugins dropped {dropped} events that they could not deliver."
        yield Finding("warning", "plugin", line, "The mail program's own log gives the reason.")


def check_ports(config: Config) -> Iterator[Finding]:
    """Connect to the ports of the node's role."""
    discovery = config.discovery
    numbers = ports_of(programs_of(config.node_role), discovery.ports, discovery.api_ports)
    if not numbers:
        yield Finding(
            "note",
            "ports",
            "No port is checked: the role names no program.",
            "Set NODE_ROLE, like zonemta-outbound, or ports in [discovery].",
        )
        return
    watch = PortWatch()
    for port, is_open in watch.finish(watch.begin(numbers)).items():
        if is_open:
            yield Finding("ok", "ports", f"Port {port} accepts connections.")
        else:
            fix = "Is the program running, and does NODE_ROLE match this node?"
            yield Finding("warning", "ports", f"Port {port} accepts no connections.", fix)
