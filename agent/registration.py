"""Introduces the node to the server: at the start, and again when what it says has changed."""

import logging
import random
import socket
import threading
from ipaddress import ip_address

import msgspec
import psutil

from agent import __version__, clock
from agent.config import Config
from agent.discovery import Discovery, Found
from agent.logs import Repeats
from agent.transport.backoff import delay_s
from agent.transport.client import Action, Client
from agent.wire import Node

logger = logging.getLogger(__name__)

PATH = "/api/v1/nodes"
REFUSED_WAIT_S = 60.0
MAX_HOST_NAME_CHARS = 255
MAX_ADDRESSES = 100


def addresses() -> list[str]:
    """Return the node's addresses others can reach it by, sorted: no loopback, no link-local."""
    found: set[str] = set()
    for interface in psutil.net_if_addrs().values():
        for entry in interface:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                address = ip_address(entry.address.partition("%")[0])
                if not (address.is_loopback or address.is_link_local or address.is_unspecified):
                    found.add(str(address))
    return sorted(found)


class HostName:
    """The host's name with its domain. Where the resolver gave it once, its failing later does not
    change it: that would be another introduction with each outage of DNS."""

    def __init__(self) -> None:
        self._short = ""
        self._full = ""

    def read(self) -> str:
        """Return the name. May take as long as the resolver does."""
        short = socket.gethostname()
        full = socket.getfqdn() or short
        if "." in full or short != self._short:
            self._short, self._full = short, full[:MAX_HOST_NAME_CHARS]
        return self._full


def introduction(config: Config, found: Found, host_name: str) -> Node:
    """Return what the node says of itself now. `found`: what runs here; a role that is configured
    is the word of a person, and stands."""
    return Node(
        node_id=config.node_id,
        hostname=host_name,
        addresses=addresses()[:MAX_ADDRESSES],
        role=config.node_role or found.role,
        agent_version=__version__,
        versions=found.versions,
    )


class Registration:
    """One thread's work: it delays nothing else, however long the server is away."""

    name = "registration"

    def __init__(self, config: Config, client: Client, discovery: Discovery) -> None:
        self._config = config
        self._client = client
        self._discovery = discovery
        self._found = Found()
        self._host_name = HostName()
        self._called = ""
        self._looked_at_s = float("-inf")
        self._told: Node | None = None
        self._failures = 0
        self._repeats = Repeats(logger)

    def run(self, stop: threading.Event) -> None:
        """Register until `stop` is set, whenever there is something new to say."""
        while not stop.is_set():
            stop.wait(self.register_once())

    def register_once(self) -> float:
        """Register if something changed; return how long to wait before looking again."""
        if clock.monotonic_s() - self._looked_at_s >= self._config.intervals.discovery_s:
            self._found = self._discovery.look()
            self._called = self._host_name.read()
            self._looked_at_s = clock.monotonic_s()
        node = introduction(self._config, self._found, self._called)
        if node == self._told:
            return self._config.intervals.registration_s
        outcome = self._client.post(PATH, msgspec.json.encode(node))
        if outcome.action is Action.ACCEPTED:
            logger.info("Registered as %s with %s.", node.node_id, self._config.backend.url)
            self._told, self._failures = node, 0
            return self._config.intervals.registration_s
        self._failures += 1
        self._repeats.warn("register", "Not registered yet: %s.", outcome.reason.rstrip("."))
        if outcome.action is Action.RETRY:
            wait_s = delay_s(self._failures, random.random())  # noqa: S311 (no secret)
            return max(wait_s, outcome.retry_after_s or 0)
        return REFUSED_WAIT_S
