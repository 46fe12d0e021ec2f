"""The whole agent as a process: start, kill, start again, stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.fakes.plugin_connection import Connection
from tests.paths import ROOT
from tests.unit.agent.transport.test_shipper import KEY, door
from tests.waiting import until

__all__ = ["door"]


class Process:
    """A running agent."""

    def __init__(self, directory, url, *, program=(sys.executable, "-m", "agent"), **environment):
        self.directory = directory
        (directory / "agent.toml").touch()
        self.log = directory / "agent.log"
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env |= {
            "PYTHONPATH": str(ROOT),
            "DASHBOARD_URL": url,
            "API_KEY": KEY,
            "NODE_ID": "mta-01",
            "AGENT_STATE_DIR": str(directory),
            "AGENT_RUNTIME_DIR": str(directory),
            "AGENT_CONFIG": str(directory / "agent.toml"),
        } | environment
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*program, "run"], env=env, cwd=directory, stderr=log)

    def post(self, events):
        connection = Connection(self.directory / "receiver.sock")
        try:
            connection.request("POST", "/v1/events", body=json.dumps(events))
            with connection.getresponse() as response:
                return response.status
        except OSError:
            return 0
        finally:
            connection.close()

    def said(self):
        return self.log.read_text()

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="ml-") as name:
        yield Path(name)


@pytest.fixture
def start(directory):
    started = []

    def begin(url, **environment):
        process = Process(directory, url, **environment)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


def sent(door, path):
    return [body for where, _, body, _ in door.requests if where == path]


def test_it_registers_sends_samples_and_events_and_stops_cleanly(start, door, golden):
    agent = start(door.url)
    events = golden("events_batch.json")["events"]

    until(lambda: agent.post(events) == 202)
    until(lambda: len(door.taken) == len(events))
    until(lambda: sent(door, "/api/v1/metrics/system"))
    until(lambda: sent(door, "/api/v1/nodes"))

    assert sent(door, "/api/v1/nodes")[0]["node_id"] == "mta-01"
    assert agent.end(signal.SIGTERM) == 0
    assert "Agent stopped." in agent.said()
    assert "Traceback" not in agent.said()
    assert KEY not in agent.said()
    assert not (agent.directory / "receiver.sock").exists()


def test_nothing_acknowledged_is_lost_by_kill_9_with_the_server_away(start, door, golden):
    agent = start("http://127.0.0.1:1")
    events = golden("events_batch.json")["events"]
    until(lambda: agent.post(events) == 202)
    agent.end(signal.SIGKILL)

    again = start(door.url)
    # The plugin never heard the answer, as far as it knows, and sends again.
    until(lambda: again.post(events) == 202)
    until(lambda: door.taken)
    again.end(signal.SIGTERM)

    assert door.taken == list(range(1, len(events) + 1))


def test_what_is_spooled_at_the_end_is_still_sent(start, door, golden):
    agent = start(door.url)
    events = golden("events_batch.json")["events"]
    until(lambda: agent.post([]) == 202)

    agent.post(events)
    agent.end(signal.SIGTERM)

    assert len(door.taken) == len(events)


def test_a_second_agent_says_who_holds_the_directory(start):
    first = start("http://127.0.0.1:1")
    until(lambda: first.post([]) == 202)

    second = start("http://127.0.0.1:1")

    assert second.process.wait(20) == 3
    assert f"process {first.process.pid}" in second.said()


def test_an_unreachable_mongodb_leaves_the_rest_of_the_agent_alone(start, door, golden):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    uri = f"mongodb://127.0.0.1:{port}/zone-mta?replicaSet=rs0"
    agent = start(door.url, AGENT_ZONEMTA_MONGODB_URI=uri)
    events = golden("events_batch.json")["events"]

    until(lambda: agent.post(events) == 202)
    until(lambda: len(door.taken) == len(events))
    until(lambda: "is not reachable" in agent.said())

    assert agent.end(signal.SIGTERM) == 0
