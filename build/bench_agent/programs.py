"""The real programs of a mail node, all that can be had here."""

import time
from dataclasses import dataclass
from pathlib import Path

from build.stack import haraka, mongodb, redis, rspamd, sink, wildduck, zonemta
from build.stack.errors import StackError
from build.stack.supervisor import Supervisor

# Of WildDuck, so that there is something to count.
USERS = 50
USERS_WITHIN_S = 60.0


@dataclass(frozen=True)
class Watched:
    """What runs, and how an agent is told to watch it."""

    names: list[str]
    environment: dict[str, str]


def start(supervisor: Supervisor, directory: Path, *, plugin_socket: Path) -> Watched:
    """Start them, their plugins told of the agent's receiver."""
    keys = redis.start(supervisor, directory)
    documents = mongodb.start(supervisor, directory)
    receiving = sink.start(supervisor, directory)
    names = ["redis", "mongodb"]
    environment = {
        "NODE_ROLE": "zonemta haraka wildduck rspamd redis mongodb",
        "AGENT_ZONEMTA_MONGODB_URI": documents.uri_of(zonemta.DATABASE),
        "AGENT_DISCOVERY_REDIS_URL": keys.url,
    }
    filtering = None
    try:
        filtering = rspamd.start(supervisor, directory, redis_port=keys.port)
        environment["AGENT_DISCOVERY_RSPAMD_URL"] = f"http://127.0.0.1:{filtering.controller_port}"
        names.append("rspamd")
    except StackError as error:
        print(f"without Rspamd: {error}", flush=True)
    mta = zonemta.start(
        supervisor,
        directory,
        mongo_uri=documents.uri_of(zonemta.DATABASE),
        redis_port=keys.port,
        sink_port=receiving.port,
        plugin_socket=plugin_socket,
    )
    environment["AGENT_DISCOVERY_ZONEMTA_API_URL"] = f"http://127.0.0.1:{mta.api_port}"
    haraka.start(
        supervisor,
        directory,
        sink_port=receiving.port,
        redis_port=keys.port,
        rspamd_port=filtering.scan_port if filtering else None,
        plugin_socket=plugin_socket,
    )
    mailboxes = wildduck.start(
        supervisor,
        directory,
        mongo_uri=documents.uri_of(wildduck.DATABASE),
        redis_port=keys.port,
    )
    _add_users(mailboxes)
    environment |= {
        "AGENT_DISCOVERY_WILDDUCK_API_URL": mailboxes.api_url,
        "AGENT_DISCOVERY_WILDDUCK_METRICS_URL": mailboxes.metrics_url,
        "AGENT_DISCOVERY_WILDDUCK_TOKEN": mailboxes.token,
        "AGENT_DISCOVERY_WILDDUCK_MONGODB_URI": documents.uri_of(wildduck.DATABASE),
        # Every five minutes otherwise, which would be once or never in what is measured.
        "AGENT_INTERVALS_WILDDUCK_S": "60",
    }
    return Watched([*names, "zonemta", "haraka", "wildduck"], environment)


def _add_users(mailboxes: wildduck.WildDuck) -> None:
    end_s = time.monotonic() + USERS_WITHIN_S
    for n in range(USERS):
        # Without a password: hashing it would take longer than all the rest.
        account = {"username": f"user{n}", "password": False, "quota": (n + 1) * 1_000_000}
        if not mailboxes.post("/users", account).get("success") or time.monotonic() > end_s:
            raise StackError(f"WildDuck took {n} of {USERS} users.")
