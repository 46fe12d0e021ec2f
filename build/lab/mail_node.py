"""All mail programs of a node, started for the agent that is measured beside them."""

from typing import Any

from build.stack import agent, haraka, mongodb, redis, rspamd, sink, wildduck, zonemta
from build.stack.errors import StackError
from build.stack.ports import LOOPBACK, free_port
from build.stack.supervisor import Supervisor

USERS = 50  # of WildDuck, so that there is something to count


def start_mail_node(supervisor: Supervisor) -> dict[str, str]:
    """Start the mail programs, their plugins pointed at the agent to come; return its settings."""
    directory = supervisor.directory
    keys = redis.start(supervisor, directory)
    documents = mongodb.start(supervisor, directory)
    shared: dict[str, Any] = {
        "sink_port": sink.start(supervisor).port,
        "redis_port": keys.port,
        "plugin_socket": agent.receiver_socket(directory),
    }
    settings, scan_port = {}, None
    if rspamd.is_installed():
        scanner = rspamd.start(supervisor, directory, redis_port=keys.port)
        scan_port = scanner.scan_port
        settings["AGENT_DISCOVERY_RSPAMD_URL"] = f"http://{LOOPBACK}:{scanner.controller_port}"
    zonemta_uri = documents.uri_of(zonemta.DATABASE)
    mta = zonemta.start(supervisor, directory, mongo_uri=zonemta_uri, **shared)
    haraka.start(supervisor, directory, rspamd_port=scan_port, **shared)
    wildduck_uri, gelf_port = documents.uri_of(wildduck.DATABASE), free_port()
    mailboxes = wildduck.start(
        supervisor, directory, mongo_uri=wildduck_uri, redis_port=keys.port, gelf_port=gelf_port
    )
    for n in range(USERS):
        # Without a password: hashing it would take longer than all the rest.
        account = {"username": f"user{n}", "password": False, "quota": (n + 1) * 1_000_000}
        if not mailboxes.post("/users", account).get("success"):
            raise StackError(f"WildDuck accepted {n} of {USERS} users.")
    return settings | {
        "NODE_ROLE": "zonemta haraka wildduck rspamd redis mongodb",
        "AGENT_ZONEMTA_MONGODB_URI": zonemta_uri,
        "AGENT_DISCOVERY_REDIS_URL": keys.url,
        "AGENT_DISCOVERY_ZONEMTA_API_URL": f"http://{LOOPBACK}:{mta.api_port}",
        "AGENT_DISCOVERY_WILDDUCK_API_URL": mailboxes.api_url,
        "AGENT_DISCOVERY_WILDDUCK_METRICS_URL": mailboxes.metrics_url,
        "AGENT_DISCOVERY_WILDDUCK_TOKEN": mailboxes.token,
        "AGENT_DISCOVERY_WILDDUCK_MONGODB_URI": wildduck_uri,
        "AGENT_GELF_PORT": str(gelf_port),
        # Every five minutes otherwise, which would be once or never in what is measured.
        "AGENT_INTERVALS_WILDDUCK_S": "60",
    }
