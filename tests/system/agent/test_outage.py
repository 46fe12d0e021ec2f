"""The server is away while the agent works, and comes back: all arrives, in order, once."""

import itertools
import json
import random
import re
import signal
from collections import Counter
from datetime import datetime

import pytest

from agent.lifecycle import EVENTS_ROUTE, SAMPLES_ROUTE
from agent.spool import read_summary
from agent.spool.compression import LOOSE_ITEMS, MAX_ITEMS
from agent.transport.outage_webhook import FILE_NAME, load
from build.stack.ports import free_port
from tests.fakes.ingest_server import KEY, running_server
from tests.fakes.plugin_process import build_event
from tests.fakes.receiver import run_receiver
from tests.waiting import until

SAMPLES = 4
BATCHES = (LOOSE_ITEMS + 3 * MAX_ITEMS) // 100


def bodies(fake_server, route):
    return [
        body
        for path, _, body, status in fake_server.requests
        if path == route.path and status == 202
    ]


def test_every_sample_and_event_of_an_outage_arrives_in_order_and_once(start_agent, directory):
    port, chance = free_port(), random.Random(1)
    agent = start_agent(f"http://127.0.0.1:{port}", HEARTBEAT_INTERVAL="1000")
    until(lambda: agent.post([]) == 202)

    sent = []
    for _ in range(BATCHES):
        events = [build_event(chance) for _ in range(100)]
        assert agent.post(events) == 202
        sent += [item["event_id"] for item in events]
    until(lambda: read_summary(directory)["samples"]["count"] >= SAMPLES, within_s=30)
    waiting = read_summary(directory)

    with running_server(port) as fake_server:
        until(lambda: len(fake_server.taken) >= len(sent), within_s=60)
        until(
            lambda: sum(map(len, bodies(fake_server, SAMPLES_ROUTE))) >= waiting["samples"]["count"]
        )
        assert agent.end(signal.SIGTERM) == 0

    assert fake_server.taken == list(range(1, len(sent) + 1))
    arrived = [
        item["event_id"] for body in bodies(fake_server, EVENTS_ROUTE) for item in body["events"]
    ]
    assert arrived == sent
    times = [
        datetime.fromisoformat(sample["timestamp"])
        for body in bodies(fake_server, SAMPLES_ROUTE)
        for sample in body
    ]
    assert times == sorted(set(times))
    assert len(times) >= SAMPLES
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
    # One that was due and did not come would leave two intervals and their jitter.
    assert max(gaps) < 1.95 or len(gaps) < SAMPLES


def test_failures_between_successes_change_nothing_of_it(start_agent):
    chance = random.Random(2)
    # Three failures in a row at most: with more, the waits before retries grow to a minute.
    answers = itertools.cycle([500, 202, 429, 503, 202, 408, 500, 503, 202])
    with running_server() as fake_server:
        fake_server.judge = lambda path: next(answers) if path == EVENTS_ROUTE.path else 202
        agent = start_agent(fake_server.url)
        until(lambda: agent.post([]) == 202)
        sent = []
        for _ in range(6):
            events = [build_event(chance) for _ in range(50)]
            assert agent.post(events) == 202
            sent += [item["event_id"] for item in events]
        until(lambda: len(fake_server.taken) >= len(sent), within_s=90)
        agent.end(signal.SIGTERM)

    arrived = Counter(
        item["event_id"] for body in bodies(fake_server, EVENTS_ROUTE) for item in body["events"]
    )
    assert set(arrived) == set(sent)
    assert set(arrived.values()) == {1}


def test_the_webhook_is_called_once_in_an_outage_and_once_after_it_over_a_kill(
    start_agent, directory
):
    port = free_port()
    with run_receiver() as receiver:
        settings = {
            "AGENT_OUTAGE_WEBHOOK_URL": f"{receiver.url}/key-in-path",
            "AGENT_OUTAGE_WEBHOOK_AFTER_S": "1",
            "HEARTBEAT_INTERVAL": "1000",
        }
        agent = start_agent(f"http://127.0.0.1:{port}", **settings)
        until(lambda: load(directory / FILE_NAME).calls_total == 1, within_s=30)
        agent.end(signal.SIGKILL)

        with running_server(port) as fake_server:
            # A key that is refused is no server that monitors.
            fake_server.judge = lambda _path: 401
            agent = start_agent(fake_server.url, **settings)
            until(lambda: len(fake_server.requests) >= 3, within_s=30)
            assert len(receiver.received) == 1
            fake_server.judge = None
            agent.process.send_signal(signal.SIGHUP)  # it waits a minute after a refused key
            until(lambda: len(receiver.received) == 2, within_s=60)
            assert agent.end(signal.SIGTERM) == 0

    kinds = [json.loads(each.body)["kind"] for each in receiver.received]
    assert kinds == ["unreachable", "reachable"]
    assert "key-in-path" not in agent.log_text()


# No secret in any log


@pytest.mark.parametrize("status", [401, 500, 302])
def test_no_log_line_and_no_output_holds_a_secret(start_agent, directory, status):
    """The key and the password of every address, at level debug."""
    password = "pass-w0rd-of-mongodb"
    with running_server() as fake_server:
        fake_server.judge = lambda _path: status
        agent = start_agent(
            fake_server.url,
            LOG_LEVEL="debug",
            AGENT_ZONEMTA_MONGODB_URI=f"mongodb://mallard:{password}@127.0.0.1:1/zone-mta",
            AGENT_DISCOVERY_REDIS_URL=f"redis://u:{password}@127.0.0.1:1",
            AGENT_DISCOVERY_WILDDUCK_TOKEN=password,
            AGENT_DISCOVERY_RSPAMD_PASSWORD=password,
            HEARTBEAT_INTERVAL="1000",
        )
        until(lambda: agent.post([]) == 202)
        until(lambda: len(fake_server.requests) >= 2)
        # A line with an address in it; the key and the passwords must not be there.
        until(lambda: re.search("is not reachable|does not listen", agent.log_text()))
        agent.process.send_signal(signal.SIGHUP)
        until(lambda: "Configuration reloaded" in agent.log_text())
        agent.end(signal.SIGTERM)

    log = agent.log_text()
    assert "DEBUG" in log
    assert "is not reachable" in log or "does not listen" in log
    assert KEY not in log
    assert password not in log
    assert json.dumps(read_summary(directory)).count(password) == 0
