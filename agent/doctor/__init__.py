"""`mallard-agent doctor`: checks of everything the agent depends on. They change nothing."""

from collections.abc import Iterator

from agent.config import Loaded
from agent.doctor.disk import check_spool
from agent.doctor.finding import Finding
from agent.doctor.mailbox import check_mailbox
from agent.doctor.mongodb import check_mongodb
from agent.doctor.outage import call_webhook, check_outage_webhook
from agent.doctor.plugins import check_ports, check_receiver
from agent.doctor.processes import check_processes
from agent.doctor.running import check_other_agents
from agent.doctor.server import check_server


def run_checks(loaded: Loaded) -> Iterator[Finding]:
    """Yield the findings in the order in which a person should fix them."""
    config = loaded.config
    yield from _check_configuration(loaded)
    for check in (
        check_server,
        check_mongodb,
        check_mailbox,
        check_receiver,
        check_spool,
        check_ports,
        check_outage_webhook,
    ):
        yield from check(config)
    yield from check_processes(config)
    yield from check_other_agents()


def _check_configuration(loaded: Loaded) -> Iterator[Finding]:
    for warning in loaded.warnings:
        line, _, fix = warning.rpartition(". ")
        yield Finding("warning", "configuration", f"{line or fix}.".replace("..", "."), fix)
    config = loaded.config
    role = config.node_role or "none given"
    line = f"node {config.node_id}, role {role}, server {config.backend.url}."
    yield Finding("ok", "configuration", line)


__all__ = ["Finding", "call_webhook", "run_checks"]
