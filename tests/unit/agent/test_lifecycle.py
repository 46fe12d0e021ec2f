"""The whole agent as a process: start_agent, kill, start again, stop."""

import signal
import socket

from build.deadline import stretch
from tests.fakes.agent_process import program_with
from tests.fakes.ingest_server import KEY
from tests.waiting import until


def test_it_registers_sends_samples_and_events_and_stops_cleanly(start_agent, fake_server, golden):
    agent = start_agent(fake_server.url)
    events = golden("events_batch.json")["events"]

    until(lambda: agent.post(events) == 202)
    until(lambda: len(fake_server.taken) == len(events))
    until(lambda: fake_server.bodies("/api/v1/metrics/system"))
    until(lambda: fake_server.bodies("/api/v1/nodes"))

    assert fake_server.bodies("/api/v1/nodes")[0]["node_id"] == "mta-01"
    assert agent.end(signal.SIGTERM) == 0
    assert "Agent stopped." in agent.log_text()
    assert "Traceback" not in agent.log_text()
    assert KEY not in agent.log_text()
    assert not (agent.directory / "receiver.sock").exists()


def test_nothing_acknowledged_is_lost_by_kill_9_with_the_server_away(
    start_agent, fake_server, golden
):
    agent = start_agent("http://127.0.0.1:1")
    events = golden("events_batch.json")["events"]
    until(lambda: agent.post(events) == 202)
    agent.end(signal.SIGKILL)

    again = start_agent(fake_server.url)
    # The plugin got no response and sends again.
    until(lambda: again.post(events) == 202)
    until(lambda: fake_server.taken)
    again.end(signal.SIGTERM)

    assert fake_server.taken == list(range(1, len(events) + 1))


def test_what_is_spooled_at_the_end_is_still_sent(start_agent, fake_server, golden):
    agent = start_agent(fake_server.url)
    events = golden("events_batch.json")["events"]
    until(lambda: agent.post([]) == 202)

    agent.post(events)
    agent.end(signal.SIGTERM)

    assert len(fake_server.taken) == len(events)


def test_a_second_agent_says_who_holds_the_directory(start_agent):
    first = start_agent("http://127.0.0.1:1")
    until(lambda: first.post([]) == 202)

    second = start_agent("http://127.0.0.1:1")

    assert second.process.wait(stretch(20)) == 3
    assert f"process {first.process.pid}" in second.log_text()


def test_an_unreachable_mongodb_leaves_the_rest_of_the_agent_alone(
    start_agent, fake_server, golden
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    uri = f"mongodb://127.0.0.1:{port}/zone-mta?replicaSet=rs0"
    program = program_with(
        "from agent.collectors import mail_queue; from agent.events.change_stream import database;"
        "mail_queue.TIMEOUT_MS = database.SELECT_TIMEOUT_MS = 300"
    )
    agent = start_agent(fake_server.url, AGENT_ZONEMTA_MONGODB_URI=uri, program=program)
    events = golden("events_batch.json")["events"]

    until(lambda: agent.post(events) == 202)
    until(lambda: len(fake_server.taken) == len(events))
    until(lambda: "is not reachable" in agent.log_text())

    assert agent.end(signal.SIGTERM) == 0
