"""A real WildDuck from the npm registry: its API, its metrics, its mailboxes."""

import contextlib
import http.client
import json
from dataclasses import dataclass
from pathlib import Path

from build.stack.packages import fill_templates, install_program, node_program
from build.stack.ports import LOOPBACK, TIMEOUT_SECONDS, answers, free_ports
from build.stack.supervisor import Program, Running, Supervisor

CONFIG = Path(__file__).with_name("wildduck") / "config"
DATABASE = "wildduck"


@dataclass(frozen=True)
class WildDuck:
    """A started WildDuck; its API wants `token`."""

    api_port: int
    metrics_port: int
    imap_port: int
    lmtp_port: int
    running: Running
    token: str = "for-tests-only"  # noqa: S105 (on loopback, with invented users)

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{LOOPBACK}:{self.metrics_port}"

    def post(self, path: str, content: object) -> dict[str, object]:
        return self.call("POST", path, content)

    def call(self, method: str, path: str, content: object) -> dict[str, object]:
        connection = http.client.HTTPConnection(LOOPBACK, self.api_port, timeout=TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            headers = {"X-Access-Token": self.token, "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(content), headers)
            answer = json.loads(connection.getresponse().read())
            return answer if isinstance(answer, dict) else {}


def start(
    supervisor: Supervisor,
    directory: Path,
    *,
    mongo_uri: str,
    redis_port: int,
    sends: bool = False,
    gelf_port: int | None = None,
) -> WildDuck:
    """Start one that keeps its users in the database `wildduck`, named in `mongo_uri`. With `sends`
    it queues forwards and autoreplies in ZoneMTA's database; it logs to `gelf_port`."""
    home = directory / "wildduck"
    api_port, metrics_port, imap_port, lmtp_port = free_ports(4)
    fill_templates(
        CONFIG,
        home,
        mongo_uri=mongo_uri,
        redis_port=redis_port,
        token=WildDuck.token,
        api_port=api_port,
        metrics_port=metrics_port,
        imap_port=imap_port,
        lmtp_port=lmtp_port,
        sends=json.dumps(sends),
        gelf=json.dumps(gelf_port is not None),
        gelf_port=gelf_port or 0,
    )
    program = Program(
        name="wildduck",
        argv=[node_program(), "server.js", f"--config={home / 'wildduck.toml'}"],
        cwd=install_program("wildduck") / "@zone-eu" / "wildduck",
        environment={"NODE_ENV": "production"},
        is_ready=lambda: all(map(answers, (api_port, metrics_port, imap_port, lmtp_port))),
        ready_within_s=90,
    )
    return WildDuck(api_port, metrics_port, imap_port, lmtp_port, supervisor.start(program))
