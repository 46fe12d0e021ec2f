"""Notifications to systemd, on a real datagram socket, of the real process."""

import os
import secrets
import signal
import socket
import tempfile
import threading
from pathlib import Path

import pytest

from agent import lifecycle
from agent.config import Config
from agent.lifecycle import Agent
from agent.service import _Watchdog
from agent.systemd import Notifier
from tests.fakes.agent_process import program_with
from tests.fakes.ingest_server import KEY
from tests.waiting import until


class Manager:
    """Stands where systemd does."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(20)
        self.received: list[dict[str, str]] = []

    def receive(self):
        lines = self.socket.recv(4096).decode().splitlines()
        self.received.append(dict(line.split("=", 1) for line in lines))
        return self.received[-1]

    def receive_until(self, name):
        while name not in self.receive():
            pass
        return self.received[-1]


@pytest.fixture
def manager():
    with tempfile.TemporaryDirectory(prefix="ml-") as name:
        path = str(Path(name) / "notify")
        made = Manager(path)
        made.path = path
        yield made
        made.socket.close()


def test_without_systemd_nothing_is_sent():
    notifier = Notifier({})

    notifier.ready("x")

    assert not notifier
    assert notifier.watchdog_s is None


def test_its_variables_are_taken_so_that_no_child_speaks_for_us(manager):
    environ = {
        "NOTIFY_SOCKET": manager.path,
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    notifier = Notifier(environ)

    assert environ == {"PATH": "/bin"}
    assert notifier.watchdog_s == 30


def test_a_watchdog_meant_for_another_process_is_not_fed(manager):
    assert Notifier({"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
                    ).watchdog_s is None  # fmt: skip


def test_an_abstract_socket_is_reached_and_a_lost_one_does_no_harm():
    name = f"mallard-{secrets.token_hex(8)}"
    manager = Manager("\0" + name)
    notifier = Notifier({"NOTIFY_SOCKET": f"@{name}"})

    notifier.ready("two\nlines")
    received = manager.receive()
    manager.socket.close()
    notifier.stopping()

    assert received == {"READY": "1", "STATUS": "two lines"}


def test_the_agent_says_that_it_is_ready_alive_reloading_and_ending(
    start_agent, fake_server, manager
):
    agent = start_agent(
        fake_server.url,
        NOTIFY_SOCKET=manager.path,
        WATCHDOG_USEC="1000000",
        AGENT_SPOOL_MAX_AGE_S="7200",
    )

    ready = manager.receive()
    manager.receive_until("WATCHDOG")
    agent.process.send_signal(signal.SIGHUP)
    reloading = manager.receive_until("RELOADING")
    manager.receive_until("READY")
    assert agent.end(signal.SIGTERM) == 0
    manager.receive_until("STOPPING")

    assert ready["READY"] == "1"
    assert "Node mta-01" in ready["STATUS"]
    assert int(reloading["MONOTONIC_USEC"]) > 0


@pytest.fixture
def running(directory, fake_server):
    from agent.config import Backend, Secret

    config = Config(
        node_id="mta-01",
        state_dir=str(directory),
        runtime_dir=str(directory),
        backend=Backend(url=fake_server.url, api_key=Secret(KEY)),
    )
    agent = Agent(config)
    agent.start()
    yield agent
    agent.stop(flush=False)


def test_systemd_is_not_notified_while_a_part_is_unhealthy(running, manager, monkeypatch, caplog):
    notifier = Notifier({"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "3000000"})
    watch = _Watchdog(notifier)
    watch.check(running)
    assert "WATCHDOG" in manager.receive()

    dead = threading.Thread(name="ship-events")
    _, service, stop = running._threads[0]
    monkeypatch.setattr(running, "_threads", [(dead, service, stop), *running._threads[1:]])
    watch._due_s = 0
    watch.check(running)

    assert "WATCHDOG" not in manager.receive()
    assert "the thread ship-events has ended" in caplog.text


def test_a_shipper_that_does_not_move_and_a_deaf_receiver_are_troubles(running, monkeypatch):
    assert running.problems() == []
    shipper = running._threads[0][1]

    monkeypatch.setattr(shipper, "max_step_s", -1)
    monkeypatch.setattr(running._receiver, "path", running._receiver.path.with_name("gone.sock"))
    problems = running.problems()

    assert "no progress" in problems[0]
    assert "the receiver does not respond" in problems[1]


def test_every_thread_has_its_name_for_top(running):
    def names():
        return {(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}

    until(lambda: {"ship-events", "collect-system", "receiver"} <= names())


# Reloading


@pytest.fixture
def reloadable(start_agent, fake_server, directory):
    """An agent that listens, configured by its file, and a function that writes that file and
    reloads it."""
    toml = directory / "agent.toml"
    works = f"runtime_dir = '{directory}'\n"
    toml.write_text(works)
    agent = start_agent(fake_server.url, AGENT_RUNTIME_DIR="", NODE_ID="")
    until(lambda: agent.post([]) == 202)

    def configure(text):
        toml.write_text(text if "runtime_dir" in text else works + text)
        agent.process.send_signal(signal.SIGHUP)

    return agent, configure


def nodes(fake_server):
    return {
        body.get("node_id") for path, _, body, _ in fake_server.requests if path == "/api/v1/nodes"
    }


def test_sighup_takes_the_new_configuration(reloadable, fake_server):
    agent, configure = reloadable

    configure('node_id = "first"\n')
    until(lambda: "first" in nodes(fake_server))
    configure('node_id = "second"\nlog_level = "debug"\n')
    until(lambda: "second" in nodes(fake_server))
    until(lambda: agent.post([]) == 202)

    assert agent.end(signal.SIGTERM) == 0
    assert "DEBUG" in agent.log_text()
    assert "Traceback" not in agent.log_text()


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("node_idd = 'x'\n", "unknown key node_idd"),
        ("not toml at all", "not valid TOML"),
        ("runtime_dir = '/proc/no'\n", "The new configuration does not work"),
    ],
)
def test_a_configuration_that_cannot_be_used_leaves_the_old_one_in_force(
    reloadable, golden, *, text, problems
):
    agent, configure = reloadable

    configure(text)
    until(lambda: problems in agent.log_text())
    events = golden("events_batch.json")["events"]
    until(lambda: agent.post(events) == 202)

    assert agent.end(signal.SIGTERM) == 0
    assert "Traceback" not in agent.log_text()


def test_a_server_that_hangs_does_not_hold_up_the_end(start_agent, golden):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        # It gives itself 10 s; a test need not wait for them.
        program = program_with("from agent import lifecycle; lifecycle.STOP_DEADLINE_S = 1.0")
        agent = start_agent(f"http://127.0.0.1:{deaf.getsockname()[1]}", program=program)
        until(lambda: agent.post(golden("events_batch.json")["events"]) == 202)

        # Process.end waits 20 s.
        assert agent.end(signal.SIGTERM) == 0

    assert lifecycle.STOP_DEADLINE_S < 20
    assert "Agent stopped." in agent.log_text()
