"""The node introduces itself, and again when something changed."""

import json
import logging

from agent import clock, registration
from agent.config import Config, Intervals
from agent.discovery import Discovered
from agent.registration import Registration
from agent.transport.client import Action, Outcome


class Server:
    """Gives actions in turn, then accepts; records the POSTs."""

    def __init__(self, *actions):
        self.actions = list(actions)
        self.posts = []

    def post(self, path, body):
        self.posts.append((path, body))
        action = self.actions.pop(0) if self.actions else Action.ACCEPTED
        return Outcome(action, f"the server answered {action.value}")


class Looks:
    """Finds the given programs; counts its runs."""

    def __init__(self, *founds):
        self.founds = list(founds)
        self.count = 0

    def discover(self):
        self.count += 1
        return self.founds.pop(0) if len(self.founds) > 1 else self.founds[0]


def make(server, *founds, role="", **intervals):
    config = Config(node_id="mta-01", node_role=role, intervals=Intervals(**intervals))
    return Registration(config, server, Looks(*(founds or [Discovered()])))


def test_it_registers_once_while_nothing_changes():
    server = Server()
    subject = make(server)

    waits = [subject.register_once() for _ in range(3)]

    assert [path for path, _ in server.posts] == ["/api/v1/nodes"]
    assert waits == [60, 60, 60]


def test_it_registers_again_when_the_address_changes(monkeypatch):
    server = Server()
    subject = make(server)
    monkeypatch.setattr(registration, "addresses", lambda: ["192.0.2.1"])
    subject.register_once()

    monkeypatch.setattr(registration, "addresses", lambda: ["192.0.2.2"])
    subject.register_once()

    assert len(server.posts) == 2
    assert b"192.0.2.2" in server.posts[1][1]


def test_it_registers_again_when_a_program_came_or_was_upgraded(monkeypatch):
    at_s = [0.0]
    monkeypatch.setattr(clock, "monotonic_s", lambda: at_s[0])
    server = Server()
    founds = [Discovered(("redis",), {"redis": version}) for version in ("7.0", "7.0", "7.2")]
    subject = make(server, *founds, discovery_s=300)
    for _ in range(3):
        subject.register_once()
        at_s[0] += 300

    nodes = [json.loads(body) for _, body in server.posts]
    assert [node["versions"] for node in nodes] == [{"redis": "7.0"}, {"redis": "7.2"}]
    assert nodes[0]["role"] == "redis"


def test_programs_are_looked_for_less_often_than_addresses(monkeypatch):
    at_s = [0.0]
    monkeypatch.setattr(clock, "monotonic_s", lambda: at_s[0])
    looks = Looks(Discovered())
    subject = Registration(Config(node_id="a"), Server(), looks)
    for _ in range(10):
        subject.register_once()
        at_s[0] += 60

    assert looks.count == 2


def test_an_outage_of_dns_does_not_change_the_name(monkeypatch):
    names = ["mta-01.example", "mta-01", "mta-02"]
    monkeypatch.setattr(registration.socket, "gethostname", lambda: "mta-01")
    monkeypatch.setattr(registration.socket, "getfqdn", lambda: names.pop(0))
    subject = registration.HostName()

    assert [subject.read(), subject.read()] == ["mta-01.example"] * 2
    monkeypatch.setattr(registration.socket, "gethostname", lambda: "mta-02")
    assert subject.read() == "mta-02"


def test_a_role_that_is_configured_stands_whatever_is_found():
    server = Server()
    make(server, Discovered(("haraka",), {}), role="spare").register_once()

    assert json.loads(server.posts[0][1])["role"] == "spare"


def test_a_server_that_is_away_is_tried_again_ever_slower(caplog):
    server = Server(*[Action.RETRY] * 5)
    subject = make(server)

    with caplog.at_level(logging.WARNING):
        waits = [subject.register_once() for _ in range(5)]

    assert waits == sorted(waits)
    assert 0.8 <= waits[0] <= 1.2
    assert caplog.text.count("Not registered yet") == 1


def test_a_refused_key_is_tried_again_slowly():
    assert make(Server(Action.KEEP)).register_once() == 60


def test_addresses_are_those_others_can_reach():
    for address in registration.addresses():
        assert not address.startswith(("127.", "169.254.", "fe80", "::1"))
