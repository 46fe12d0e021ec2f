"""What runs on this node, found by looking: processes, greetings of ports, answers of APIs.

`agent.roles` has what follows from it. A program that was found stays known for a week, across
restarts of the agent: that one died gives the node no other role.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from agent import clock
from agent.collectors import ports
from agent.collectors.greetings import read_greetings
from agent.collectors.local_http import LocalHttp
from agent.collectors.mongodb import server_version, uri_of
from agent.collectors.processes import ProcessWatch
from agent.collectors.redis import query
from agent.config import Config
from agent.errors import CollectError, SourceAbsent
from agent.parsers import redis, wildduck
from agent.parsers.banners import program_of_greeting, rspamd_version
from agent.parsers.values import table, text
from agent.roles import PROGRAMS, ports_of, role_of
from agent.status import AgentStatus

logger = logging.getLogger(__name__)

# Where mail programs greet; those that are listened on are heard, and the configured ones.
GREETING_PORTS = (24, 25, 110, 143, 587, 2424, 2525, 9143)
FILE_NAME = "discovery.json"
FORGOTTEN_AFTER_S = 7 * 86_400
LOOPBACK = ("127.0.0.1", "::1", "localhost")
OS_RELEASE = Path("/etc/os-release")
MAX_VERSION_CHARS = 64


@dataclass(frozen=True)
class Found:
    """Programs of this node, and the version of each that tells one."""

    programs: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def role(self) -> str:
        """The role they make."""
        return role_of(self.programs)


class Discovery:
    """Looks again and remembers. Used by one thread. `haraka`: what its plugin's processes said
    last, for a Haraka that greets nobody who does not say first whom he brings (PROXY)."""

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
        self._versions: dict[str, str] = {}
        self._seen_at_s: dict[str, int] = {}  # by the wall clock: it outlives the agent
        self._load()
        self._status.programs = self.programs

    def look(self) -> Found:
        """Return what is here. What does not answer now keeps the version it last told."""
        now_s = clock.now_ms() // 1000
        before = self._versions.copy(), self._status.programs
        for program, version in self._find_present():
            self._seen_at_s[program] = now_s
            if version:
                self._versions[program] = version
        for program, seen_at_s in list(self._seen_at_s.items()):
            # What a clock that was wrong wrote down as later than now counts from now.
            self._seen_at_s[program] = min(seen_at_s, now_s)
            if now_s - seen_at_s > FORGOTTEN_AFTER_S:
                del self._seen_at_s[program]
                self._versions.pop(program, None)
        self._status.programs = self.programs
        if before != (self._versions, self.programs):
            logger.info("This node runs %s.", self._describe() or "no mail program that is known")
        self._save()
        system = {"os": name} if (name := _system()) else {}
        return Found(self.programs, self._versions | system)

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs known to run here, also before the first look."""
        return tuple(program for program in PROGRAMS if program in self._seen_at_s)

    def _describe(self) -> str:
        return ", ".join(
            f"{program} {self._versions.get(program, '')}".strip() for program in self.programs
        )

    def _find_present(self) -> Iterator[tuple[str, str | None]]:
        """Yield each program that is here, by whichever way, with its version where it tells."""
        for program, its in self._processes.read().items():
            if its.status == "running":
                yield program, None
        for process in self._status.haraka_processes():
            yield "haraka", text(process.get("version"), limit=MAX_VERSION_CHARS)
        yield from self._find_by_greeting()
        for look in (self._zonemta, self._wildduck, self._rspamd, self._redis, self._mongodb):
            with suppress(CollectError, ValueError, RecursionError):
                if found := look():
                    yield found

    def _find_by_greeting(self) -> Iterator[tuple[str, str | None]]:
        addresses = ports.parse_listening(*ports.read_tables(self._proc))
        wanted = ports_of((), self._config.discovery.ports)
        numbers = [port for port in {*GREETING_PORTS, *wanted} if port in addresses]
        for line in read_greetings(numbers, addresses).values():
            if found := program_of_greeting(line):
                yield found

    def _zonemta(self) -> tuple[str, str | None] | None:
        with _here(self._config.discovery.zonemta_api_url, "ZoneMTA") as http:
            zones = json.loads(http.get("/zones"))
            if isinstance(zones, list) and any(table(zone).get("name") for zone in zones):
                return "zonemta", None
        return None

    def _wildduck(self) -> tuple[str, str | None] | None:
        settings = self._config.discovery
        token = settings.wildduck_token.reveal()
        with _here(
            settings.wildduck_api_url, "WildDuck", **_header("X-Access-Token", token)
        ) as http:
            answer = http.request("/health")
            is_known = answer.server == wildduck.SERVER
            health = wildduck.parse_health(answer.status, answer.body, is_known=is_known)
            return "wildduck", health.version

    def _rspamd(self) -> tuple[str, str | None] | None:
        with _here(self._config.discovery.rspamd_url, "Rspamd") as http:
            answer = http.request("/ping")
            is_it, version = rspamd_version(answer.server)
            return ("rspamd", version) if is_it and answer.body.strip() == b"pong" else None

    def _redis(self) -> tuple[str, str | None] | None:
        url = self._config.discovery.redis_url
        parts = urlsplit(url.reveal())
        if parts.scheme != "unix" and parts.hostname not in LOOPBACK:
            return None
        try:
            return "redis", redis.parse_info(query(url, "INFO")).version
        except SourceAbsent:
            return None
        except CollectError as error:
            # It speaks the protocol, and is one: only that it does not tell everybody.
            return ("redis", None) if "refuses" in str(error) else None

    def _mongodb(self) -> tuple[str, str | None] | None:
        uri = uri_of(self._config)
        hosts = uri.reveal().partition("://")[2].rpartition("@")[2].partition("/")[0]
        if urlsplit(f"//{hosts}").hostname not in LOOPBACK:
            return None
        return "mongodb", server_version(uri)

    def _load(self) -> None:
        try:
            kept = json.loads(self._file.read_bytes())
            for program, (seen_at_s, version) in kept.items():
                if program in PROGRAMS and isinstance(seen_at_s, int):
                    self._seen_at_s[program] = seen_at_s
                    if shown := text(version, limit=MAX_VERSION_CHARS):
                        self._versions[program] = shown
        except (OSError, ValueError, TypeError, AttributeError):
            return  # nothing kept, or nothing to be used: it is found again

    def _save(self) -> None:
        kept = {
            program: [seen_at_s, self._versions.get(program)]
            for program, seen_at_s in self._seen_at_s.items()
        }
        temporary = self._file.with_suffix(".new")
        with suppress(OSError):  # a full disk costs what is remembered, nothing else
            temporary.write_text(json.dumps(kept))
            temporary.replace(self._file)


def _here(url: str, what: str, **headers: str) -> closing[LocalHttp]:
    """Return a client of an API of this node. Raises SourceAbsent when it is another machine's."""
    if urlsplit(url).hostname not in LOOPBACK:
        raise SourceAbsent(f"{what} is not asked on this machine")
    return closing(LocalHttp(url, what=what, headers=headers))


def _header(name: str, value: str) -> dict[str, str]:
    return {name: value} if value else {}


def _system() -> str | None:
    try:
        lines = OS_RELEASE.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    named = (line.partition("=")[2] for line in lines if line.startswith("PRETTY_NAME="))
    return text(next(named, "").strip("\"'"), limit=MAX_VERSION_CHARS)
