"""Discovery of this node's programs by processes, greetings of ports and responses of APIs.

`agent.roles` derives role and ports from them. A program stays known for a week, across restarts of
the agent, so that an outage does not change the node's role.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from agent import clock
from agent.collectors import ports
from agent.collectors.greetings import read_greetings
from agent.collectors.local_http import LocalHttp
from agent.collectors.mongodb import hosts_of, server_version, uri_of
from agent.collectors.processes import ProcessWatch
from agent.collectors.redis import query
from agent.config import Config
from agent.errors import CollectError, SourceAbsent
from agent.parsers import redis, wildduck
from agent.parsers.banners import parse_greeting, parse_rspamd_server
from agent.parsers.values import table, text
from agent.roles import LOOPBACK, PROGRAMS, ports_of, role_of
from agent.status import AgentStatus

logger = logging.getLogger(__name__)

# Ports with greetings of mail programs; read where something listens, like the configured ones.
GREETING_PORTS = (24, 25, 110, 143, 587, 2424, 2525, 9143)
FILE_NAME = "discovery.json"
FORGOTTEN_AFTER_S = 7 * 86_400
MAX_VERSION_CHARS = 64


Known = dict[str, tuple[int, str | None]]


@dataclass(frozen=True)
class Discovered:
    """Programs of this node, and their versions where known."""

    programs: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def role(self) -> str:
        return role_of(self.programs)


class Discovery:
    """Finds programs and remembers them. Used by one thread. The reports in `status` reveal a
    Haraka that greets only after a PROXY header."""

    def __init__(
        self,
        config: Config,
        *,
        status: AgentStatus | None = None,
        proc: Path = Path("/proc"),
    ) -> None:
        self._status = status or AgentStatus()
        self._config = config
        self._proc = proc
        self._processes = ProcessWatch(proc=proc)
        self._file = Path(config.state_dir) / FILE_NAME
        # When each program was last seen, by the wall clock as it outlives the agent; its version.
        self._known: Known = {}
        self._load()
        self._status.programs = self.programs

    def discover(self) -> Discovered:
        """Return the known programs. One without a response keeps its last version."""
        now_s = clock.now_ms() // 1000
        before = self._describe()
        for program, version in self._find_present():
            _, last_version = self._known.get(program, (0, None))
            self._known[program] = now_s, version or last_version
        self._known = {
            # A time in the future comes from a wrong clock and counts as now.
            program: (min(seen_at_s, now_s), version)
            for program, (seen_at_s, version) in self._known.items()
            if now_s - seen_at_s <= FORGOTTEN_AFTER_S
        }
        self._status.programs = self.programs
        if before != self._describe():
            logger.info("This node runs %s.", self._describe() or "no mail program that is known")
        self._save()
        versions = {program: version for program, (_, version) in self._known.items() if version}
        with suppress(OSError):
            system = platform.freedesktop_os_release()["PRETTY_NAME"]
            if shown := text(system, limit=MAX_VERSION_CHARS):
                versions["os"] = shown
        return Discovered(self.programs, versions)

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs known to run here, also before the first look."""
        return tuple(program for program in PROGRAMS if program in self._known)

    def _describe(self) -> str:
        return ", ".join(
            f"{program} {self._known[program][1] or ''}".strip() for program in self.programs
        )

    def _find_present(self) -> Iterator[tuple[str, str | None]]:
        """Yield each running program, found in any way, with its version where known."""
        for program, its in self._processes.read().items():
            if its.status == "running":
                yield program, None
        for process in self._status.plugins.haraka_processes():
            yield "haraka", text(process.get("version"), limit=MAX_VERSION_CHARS)
        yield from self._find_by_greeting()
        for look in (self._zonemta, self._wildduck, self._rspamd, self._redis, self._mongodb):
            with suppress(CollectError, ValueError, RecursionError):
                if program_and_version := look():
                    yield program_and_version

    def _find_by_greeting(self) -> Iterator[tuple[str, str | None]]:
        addresses = ports.read_listening(self._proc)
        wanted = ports_of((), self._config.discovery.ports)
        numbers = [port for port in {*GREETING_PORTS, *wanted} if port in addresses]
        for line in read_greetings(numbers, addresses).values():
            if program_and_version := parse_greeting(line):
                yield program_and_version

    def _zonemta(self) -> tuple[str, str | None] | None:
        with self._connect(self._config.discovery.zonemta_api_url, "ZoneMTA") as http:
            zones = json.loads(http.get("/zones"))
            if isinstance(zones, list) and any(table(zone).get("name") for zone in zones):
                return "zonemta", None
        return None

    def _wildduck(self) -> tuple[str, str | None] | None:
        settings = self._config.discovery
        token = settings.wildduck_token.reveal()
        headers = {"X-Access-Token": token} if token else {}
        with self._connect(settings.wildduck_api_url, "WildDuck", **headers) as http:
            answer = http.request("/health")
            is_known = answer.server == wildduck.SERVER
            health = wildduck.parse_health(answer.status, answer.body, is_known=is_known)
            return "wildduck", health.version

    def _rspamd(self) -> tuple[str, str | None] | None:
        with self._connect(self._config.discovery.rspamd_url, "Rspamd") as http:
            answer = http.request("/ping")
            is_it, version = parse_rspamd_server(answer.server)
            return ("rspamd", version) if is_it and answer.body.strip() == b"pong" else None

    def _redis(self) -> tuple[str, str | None] | None:
        url = self._config.discovery.redis_url
        parts = urlsplit(url.reveal())
        if parts.scheme != "unix" and parts.hostname not in LOOPBACK:
            return None
        try:
            return "redis", redis.parse_info(
                query(url, "INFO", ca_file=self._config.discovery.ca_file)
            ).version
        except SourceAbsent:
            return None
        except CollectError as error:
            # A Redis that requires a password.
            return ("redis", None) if "refuses" in str(error) else None

    def _mongodb(self) -> tuple[str, str | None] | None:
        uri = uri_of(self._config)
        if urlsplit(f"//{hosts_of(uri)}").hostname not in LOOPBACK:
            return None
        return "mongodb", server_version(uri)

    def _connect(self, url: str, what: str, **headers: str) -> closing[LocalHttp]:
        """Return a client of an API on this node. Raises SourceAbsent for another machine's."""
        if urlsplit(url).hostname not in LOOPBACK:
            raise SourceAbsent(f"{what} is configured on another machine")
        ca_file = self._config.discovery.ca_file
        return closing(LocalHttp(url, what=what, headers=headers, ca_file=ca_file))

    def _load(self) -> None:
        # Without a file, or a valid one, the programs are found again.
        with suppress(OSError, msgspec.MsgspecError):
            remembered = msgspec.json.decode(self._file.read_bytes(), type=Known)
            self._known = {
                program: (seen_at_s, text(version, limit=MAX_VERSION_CHARS))
                for program, (seen_at_s, version) in remembered.items()
                if program in PROGRAMS
            }

    def _save(self) -> None:
        temporary = self._file.with_suffix(".new")
        with suppress(OSError):  # a full disk only costs the memory across restarts
            temporary.write_bytes(msgspec.json.encode(self._known))
            temporary.replace(self._file)
