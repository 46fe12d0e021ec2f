"""Registration of the node with the server: at the start, and again after each change."""

import logging
import random
import socket
import threading
from ipaddress import ip_address

import msgspec
import psutil

from agent import __version__, clock
from agent.config import Config
from agent.discovery import Discovered, Discovery
from agent.logs import RateLimitedLog
from agent.transport.backoff import delay_s
from agent.transport.client import Action, Client
from agent.wire import Node

logger = logging.getLogger(__name__)

PATH = "/api/v1/nodes"
REFUSED_WAIT_S = 60.0
MAX_HOST_NAME_CHARS = 255
MAX_ADDRESSES = 100


def addresses() -> list[str]:
    """Return the node's reachable addresses, sorted, without loopback and link-local ones."""
    result: set[str] = set()
    for interface in psutil.net_if_addrs().values():
        for entry in interface:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                address = ip_address(entry.address.partition("%")[0])
                if not (address.is_loopback or address.is_link_local or address.is_unspecified):
                    result.add(str(address))
    return sorted(result)


class HostName:
    """The host's name with its domain. A later failure of the resolver does not change it, which
    would cause a registration with each outage of DNS."""

    def __init__(self) -> None:
        self._short = ""
        self._full = ""

    def read(self) -> str:
        """Return the name. May take as long as the resolver."""
        short = socket.gethostname()
        full = socket.getfqdn() or short
        if "." in full or short != self._short:
            self._short, self._full = short, full[:MAX_HOST_NAME_CHARS]
        return self._full


def build_node(config: Config, discovered: Discovered, host_name: str) -> Node:
    """Return the present registration. A configured role takes precedence over the discovered."""
    return Node(
        node_id=config.node_id,
        hostname=host_name,
        addresses=addresses()[:MAX_ADDRESSES],
        role=config.node_role or discovered.role,
        agent_version=__version__,
        versions=discovered.versions,
    )


class Registration:
    """Worker with its own thread, so that an unreachable server delays nothing else."""

    name = "registration"

    def __init__(self, config: Config, client: Client, discovery: Discovery) -> None:
        self._config = config
        self._client = client
        self._discovery = discovery
        self._discovered = Discovered()
        self._host_name = HostName()
        self._full_name = ""
        self._discovered_at_s = float("-inf")
        self._registered: Node | None = None
        self._failures = 0
        self._warnings = RateLimitedLog(logger)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            stop.wait(self.register_once())

    def register_once(self) -> float:
        """Register if something changed; return the wait before the next check."""
        if clock.monotonic_s() - self._discovered_at_s >= self._config.intervals.discovery_s:
            self._discovered = self._discovery.discover()
            self._full_name = self._host_name.read()
            self._discovered_at_s = clock.monotonic_s()
        node = build_node(self._config, self._discovered, self._full_name)
        if node == self._registered:
            return self._config.intervals.registration_s
        outcome = self._client.post(PATH, msgspec.json.encode(node))
        if outcome.action is Action.ACCEPTED:
            logger.info("Registered as %s with %s.", node.node_id, self._config.backend.url)
            self._registered, self._failures = node, 0
            return self._config.intervals.registration_s
        self._failures += 1
        self._warnings.warn("register", "Not registered yet: %s.", outcome.reason.rstrip("."))
        if outcome.action is Action.RETRY:
            wait_s = delay_s(self._failures, random.random())  # noqa: S311 (no secret)
            return max(wait_s, outcome.retry_after_s or 0)
        return REFUSED_WAIT_S
