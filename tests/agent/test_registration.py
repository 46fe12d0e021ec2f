"""The node introduces itself, and again when something changed."""

import logging

from agent import registration
from agent.config import Config
from agent.registration import Registration
from agent.transport.client import Outcome, Verdict


class Server:
    """Gives verdicts in turn, then accepts; counts how often it was told."""

    def __init__(self, *verdicts):
        self.verdicts = list(verdicts)
        self.told = []

    def post(self, path, body):
        self.told.append((path, body))
        verdict = self.verdicts.pop(0) if self.verdicts else Verdict.ACCEPTED
        return Outcome(verdict, f"the server said {verdict.value}")


def make(server):
    return Registration(Config(node_id="mta-01"), server)


def test_it_registers_once_while_nothing_changes():
    server = Server()
    subject = make(server)

    waits = [subject.register_once() for _ in range(3)]

    assert [path for path, _ in server.told] == ["/api/v1/nodes"]
    assert waits == [60, 60, 60]


def test_it_registers_again_when_the_address_changes(monkeypatch):
    server = Server()
    subject = make(server)
    monkeypatch.setattr(registration, "addresses", lambda: ["192.0.2.1"])
    subject.register_once()

    monkeypatch.setattr(registration, "addresses", lambda: ["192.0.2.2"])
    subject.register_once()

    assert len(server.told) == 2
    assert b"192.0.2.2" in server.told[1][1]


def test_a_server_that_is_away_is_tried_again_ever_slower(caplog):
    server = Server(*[Verdict.RETRY] * 5)
    subject = make(server)

    with caplog.at_level(logging.WARNING):
        waits = [subject.register_once() for _ in range(5)]

    assert waits == sorted(waits)
    assert 0.8 <= waits[0] <= 1.2
    assert caplog.text.count("Not registered yet") == 1


def test_a_refused_key_is_tried_again_slowly():
    assert make(Server(Verdict.KEEP)).register_once() == 60


def test_addresses_are_those_others_can_reach():
    for address in registration.addresses():
        assert not address.startswith(("127.", "169.254.", "fe80", "::1"))
