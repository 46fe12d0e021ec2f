"""Incidents that the demo acts on its real programs, to be watched from pending to all-clear.

`./mallard demo --incident NAME`. The figures of its rule are shortened in the demo alone
(incidents.toml), and what its channel receives is printed.
"""

import json
import os
import shutil
import signal
import threading
import time
import tomllib
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from build.stack import agent, sink
from build.stack.command import report_progress, step
from build.stack.errors import MissingError
from build.stack.ports import LOOPBACK
from build.stack.server import Site

SMALL_ROOT = Path(__file__).with_name("small-root.sh")
ROOT_SIZE, ROOT_FOLDER, FILL_BYTES = "96m", "filled-by-the-demo", 93 * 1024**2
STATE_EVERY_S, REQUEST_TIMEOUT_S, MAX_WAIT_S = 1.0, 5.0, 240.0
#: So long a person has to look at what fires.
SHOWN_S = 15.0
#: The agent reports more often than usual, so that what it reports is seen at once.
OFTEN = {"AGENT_INTERVALS_ZONEMTA_S": "5", "HEARTBEAT_INTERVAL": "5000"}
CHANNEL = """from server.alerts.models import Channel, NotificationRoute as Route
from server.alerts.notifications.store import save_channel
same = Channel.objects.filter(name="terminal").first()
save_channel(same or Channel(name="terminal", kind="webhook"), {{"url": "{url}", "secret": "-"}})
values = {{"steps": [{{"after_min": 0, "channels": ["terminal"]}}], "rules": ["{rule}"]}}
Route.objects.update_or_create(name="terminal", defaults=values)"""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One of incidents.toml."""

    rule: str
    figures: Mapping[str, str]
    what: str
    undone: str
    begins_at_s: int | None = None
    lasts_s: float = 0.0
    domain: str = ""
    ip: str = ""
    answer: str = ""
    zones: Mapping[str, Any] = field(default_factory=dict)
    defer_times_ms: Sequence[int] = ()

    def decide(self, recipient: str, client_ip: str) -> sink.Answer:
        """Return the answer of a remote server while it lasts."""
        domain = recipient.rpartition("@")[2]
        is_meant = self.domain in ("", domain) and self.ip in ("", client_ip)
        return sink.Answer(at_rcpt=self.answer) if is_meant else sink.answer_to(recipient)


FILE, RULE_FILE = Path(__file__).with_suffix(".toml"), "demo.toml"
INCIDENTS = {name: Incident(**each) for name, each in tomllib.loads(FILE.read_text()).items()}


@dataclass(kw_only=True)
class Stage:
    """The running programs on which an incident is acted."""

    sink: sink.Sink
    agent: agent.Agent

    def begin(self, name: str) -> None:
        if name == "node":
            os.kill(self.agent.running.pid, signal.SIGSTOP)
        elif name == "disk":
            self._file.write_bytes(bytes(FILL_BYTES))
        else:
            self.sink.decide = INCIDENTS[name].decide

    def end(self, name: str) -> None:
        if name == "node":
            os.kill(self.agent.running.pid, signal.SIGCONT)
        elif name == "disk":
            self._file.unlink()
        else:
            self.sink.decide = sink.decide

    @property
    def _file(self) -> Path:
        """The file that fills the root of the agent, by way of its mount namespace."""
        return Path(f"/proc/{self.agent.running.pid}/root/{ROOT_FOLDER}/file")


def agent_program(name: str | None, home: Path) -> list[str] | None:
    """Return the command of the agent for an incident: on `disk` with a small root of its own."""
    if name != "disk":
        return None
    if (launcher := shutil.which("unshare")) is None:
        raise MissingError("unshare is missing (apt-get install util-linux)")
    namespaces = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    root = home / "small-root"
    root.mkdir(parents=True, exist_ok=True)
    argv = [launcher, *namespaces, "sh", SMALL_ROOT, root, ROOT_SIZE, ROOT_FOLDER]
    return [*map(str, argv), *agent.command()]


def write_rule(name: str, folder: Path) -> None:
    """Write the rule file with the shortened figures of an incident."""
    incident = INCIDENTS[name]
    lines = [f"{field} = {json.dumps(value)}\n" for field, value in incident.figures.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RULE_FILE).write_text(f"[{incident.rule}]\n{''.join(lines)}")


def prepare(site: Site, name: str | None, folder: Path) -> None:
    """Load the shortened figures of an incident's rule and notify this terminal; without one, take
    back what an earlier run shortened."""
    if name is None:
        if (folder / RULE_FILE).exists():
            (folder / RULE_FILE).unlink()
            site.manage("alerts", "load", str(folder))
        return
    with step(f"rule and channel of the incident {name}"):
        write_rule(name, folder)
        site.manage("alerts", "load", str(folder))
        site.more["NOTIFICATION_NETWORKS"] = f"{LOOPBACK}/32"
        channel = CHANNEL.format(url=_receive(), rule=INCIDENTS[name].rule)
        site.manage("shell", "--no-imports", "-c", channel)


def _receive() -> str:
    """Print what a webhook of ours receives, until the demo ends; return its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            text = f"{body['kind']} ({body['severity']}, {body['rule']}): {body['text']}"
            _print(f"NOTIFICATION {text}")
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://{LOOPBACK}:{server.server_port}/"


def act(name: str, stage: Stage, *, address: str, key: str, stop: threading.Event) -> None:
    """Act an incident to its end, and print each step of it with where to look."""
    incident = INCIDENTS[name]
    figures = ", ".join(f"{field} {value}" for field, value in incident.figures.items())
    _print(f"incident {name}: rule {incident.rule}, in this demo alone with {figures}")
    _print(f"look at {address}/alerts/incidents/ and {address}/")
    if incident.begins_at_s is not None:
        _print(f"it begins {incident.begins_at_s} s after a full minute")
        stop.wait((incident.begins_at_s - time.time()) % 60)
    follower = _Follower(address, key, incident.rule, stop)
    _print(incident.what)
    stage.begin(name)
    try:
        if incident.lasts_s:
            stop.wait(incident.lasts_s)
        elif follower.wait_for("firing"):
            stop.wait(SHOWN_S)
    finally:
        stage.end(name)
    _print(incident.undone)
    if follower.wait_for("firing" if incident.lasts_s else "") and follower.wait_for(""):
        _print("all-clear; what happened stays on the page of the incident. Ctrl-C ends the demo")


class _Follower:
    """Follows the alert of a rule and prints each change of its state, with the time since the
    start."""

    def __init__(self, address: str, key: str, rule: str, stop: threading.Event) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        url = f"{address}/api/v1/alerts?rule={rule}"
        self._request = urllib.request.Request(url, headers=headers)  # noqa: S310 (ours)
        self._address, self._stop, self._state = address, stop, ""
        self._began_s = time.monotonic()

    def wait_for(self, state: str) -> bool:
        """Return whether the alert is in a state before time is over; "": there is none."""
        deadline = time.monotonic() + MAX_WAIT_S
        while self._read() != state:
            if self._stop.wait(STATE_EVERY_S):
                return False
            if time.monotonic() > deadline:
                _print(f"it is not {state or 'over'} after {MAX_WAIT_S:.0f} s: see the logs")
                return False
        return True

    def _read(self) -> str:
        try:
            with urllib.request.urlopen(self._request, timeout=REQUEST_TIMEOUT_S) as answer:  # noqa: S310
                alerts = json.load(answer)["alerts"]
        except (OSError, ValueError):
            return self._state  # the server is busy, or is started again
        state, number = (alerts[0]["state"], alerts[0]["incident_id"]) if alerts else ("", None)
        if state != self._state:
            where = f"  {self._address}/alerts/incidents/{number}/" if number else ""
            after = f"after {time.monotonic() - self._began_s:.0f} s"
            _print(f"{after}: {self._state or 'ok'} → {state or 'ok'}{where}")
            self._state = state
        return self._state


def _print(text: str) -> None:
    """Print a line; what comes from elsewhere moves no cursor."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    report_progress(f"mallard: {time.strftime('%H:%M:%S')} {shown}")
