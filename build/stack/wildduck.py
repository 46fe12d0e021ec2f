"""A real WildDuck from the npm registry: its API, its metrics, its mailboxes."""

import contextlib
import http.client
import json
import string
from dataclasses import dataclass
from pathlib import Path

from build.stack.packages import install_npm, node_program
from build.stack.paths import RUN
from build.stack.ports import LOOPBACK, answers, free_ports
from build.stack.supervisor import Program, Running, Supervisor

PACKAGE = "@zone-eu/wildduck"
SOURCE = Path(__file__).with_name("wildduck")
INSTALLED = RUN / "node" / "wildduck"
DATABASE = "wildduck"
REDIS_DATABASE = 4  # 0 to 2 are the server's, 3 is ZoneMTA's
TOKEN = "for-tests-only"  # noqa: S105 (of a WildDuck on loopback, with invented users)
REQUEST_TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class WildDuck:
    """A started WildDuck; its API wants `token`."""

    api_port: int
    metrics_port: int
    imap_port: int
    token: str
    running: Running

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def metrics_url(self) -> str:
        """The address of the metrics."""
        return f"http://{LOOPBACK}:{self.metrics_port}"

    def post(self, path: str, content: object) -> dict[str, object]:
        """Return the API's answer."""
        connection = http.client.HTTPConnection(
            LOOPBACK, self.api_port, timeout=REQUEST_TIMEOUT_SECONDS
        )
        with contextlib.closing(connection):
            headers = {"X-Access-Token": self.token, "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(content), headers)
            answer = json.loads(connection.getresponse().read())
            return answer if isinstance(answer, dict) else {}


def start(supervisor: Supervisor, directory: Path, *, mongo_uri: str, redis_port: int) -> WildDuck:
    """Start one that keeps its users in the database `wildduck`, named in `mongo_uri`."""
    install()
    home = directory / "wildduck"
    home.mkdir(parents=True, exist_ok=True)
    api_port, metrics_port, imap_port, lmtp_port = free_ports(4)
    template = string.Template((SOURCE / "wildduck.toml.in").read_text())
    config = home / "wildduck.toml"
    config.write_text(
        # JSON's strings are TOML's too.
        template.substitute(
            mongo_uri=json.dumps(mongo_uri),
            redis_url=json.dumps(f"redis://{LOOPBACK}:{redis_port}/{REDIS_DATABASE}"),
            token=json.dumps(TOKEN),
            api_port=api_port,
            metrics_port=metrics_port,
            imap_port=imap_port,
            lmtp_port=lmtp_port,
        )
    )
    running = supervisor.start(
        Program(
            name="wildduck",
            argv=[node_program(), "server.js", f"--config={config}"],
            cwd=INSTALLED / "node_modules" / PACKAGE,
            environment={"NODE_ENV": "production"},
            is_ready=lambda: answers(api_port) and answers(metrics_port) and answers(imap_port),
            ready_within_s=90,
        )
    )
    return WildDuck(api_port, metrics_port, imap_port, TOKEN, running)


def install() -> None:
    """Install the locked packages under .run once; at once when they are there."""
    install_npm(SOURCE, INSTALLED)
