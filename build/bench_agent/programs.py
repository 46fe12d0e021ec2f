"""The real programs of a mail node, all that can be had here."""

from dataclasses import dataclass
from pathlib import Path

from build.stack import haraka, mongodb, redis, rspamd, sink, zonemta
from build.stack.errors import StackError
from build.stack.supervisor import Supervisor


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
    return Watched([*names, "zonemta", "haraka"], environment)
