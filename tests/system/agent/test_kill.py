"""The agent is killed again and again while mail flows and only its change stream reports it."""

import random
import secrets
import signal
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pymongo
import pytest

from agent.lifecycle import EVENTS_ROUTE
from agent.wire import event_id
from tests.fakes.agent_process import AgentProcess
from tests.fakes.zonemta_writer import accept
from tests.programs import enable_pre_images
from tests.waiting import until

pytestmark = pytest.mark.stack
MESSAGES = 60
KILLS = 5


def send_mail(db, expected: set[str]) -> None:
    """Let mail flow; put the ids of the events it must become into `expected`."""

    def expect(message, recipient, *events):
        for event_type, n in events:
            made = event_id("zonemta", message.queue_id, message.seqs[recipient], event_type, n)
            expected.add(str(made))

    for number in range(MESSAGES):
        ok, later, no = (f"{name}-{number}@a.example" for name in ("ok", "later", "no"))
        message = accept(db, "alice@corp.example", [ok, later, no])
        message.deliver(ok)
        message.lock(later)
        message.defer(later, 1, "451 4.3.0 later")
        message.lock(later)
        message.defer(later, 2, "451 4.3.0 later")
        notification = message.bounce(no)
        message.deliver(later)
        notification.deliver("alice@corp.example")
        expect(message, ok, ("sent", 0), ("delivered", 0))
        expect(message, later, ("sent", 0), ("deferred", 1), ("deferred", 2), ("delivered", 0))
        expect(message, no, ("sent", 0), ("bounced", 0))
        expect(notification, "alice@corp.example", ("sent", 0), ("delivered", 0))
        time.sleep(0.05)  # spreads the mail over the kills; nothing waits for it


def count_events(fake_server) -> Counter[str]:
    return Counter(
        event["event_id"]
        for path, _, body, status in fake_server.requests
        if path == EVENTS_ROUTE.path and status == 202
        for event in body["events"]
    )


@pytest.mark.parametrize("pre_images", [False, True])
def test_nothing_is_lost_or_doubled_by_kill_9(mongodb, fake_server, pre_images):
    name = f"zone-mta-{secrets.token_hex(4)}"
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongodb.uri)
    if pre_images:
        enable_pre_images(mongodb, name, ("zone-queue", "mail.files"))
    expected: set[str] = set()
    settings = {
        "AGENT_ZONEMTA_MONGODB_URI": mongodb.uri_of(name),
        "AGENT_EVENTS_GRACE_S": "0.7",
    }

    with client, tempfile.TemporaryDirectory(prefix="ml-") as home:
        directory = Path(home)
        agent = AgentProcess(directory, fake_server.url, **settings)
        # Mail that comes and goes before the first snapshot cannot be known.
        until(lambda: "Following the change stream" in agent.log_text())
        mail = threading.Thread(target=send_mail, args=(client[name], expected))
        mail.start()
        for _ in range(KILLS):
            time.sleep(random.uniform(0.4, 1.5))  # the moment of the kill is what is tried
            agent.end(signal.SIGKILL)
            agent = AgentProcess(directory, fake_server.url, **settings)
        mail.join()
        try:
            until(lambda: expected <= set(count_events(fake_server)), within_s=30)
        finally:
            agent.end(signal.SIGTERM)
        client.drop_database(name)

    counts = count_events(fake_server)
    unknown = set(counts) - expected
    assert not unknown
    # The server may get one batch twice (killed between its 202 and the acknowledgement), with
    # the same numbers; the agent numbers no event twice.
    numbered = [
        (body["epoch"], body["first_seq"] + offset, event["event_id"])
        for path, _, body, status in fake_server.requests
        if path == EVENTS_ROUTE.path and status == 202
        for offset, event in enumerate(body["events"])
    ]
    assert len(set(numbered)) == len(expected)
    assert sorted(seq for _, seq, _ in set(numbered)) == list(range(1, len(expected) + 1))
