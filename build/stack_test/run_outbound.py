"""One run: real MongoDB, ZoneMTA, agent and server in one of the modes, and its verdict."""

import contextlib
import http.client
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import AutoReconnect, PyMongoError

from build.bench.arrangement import Arrangement, say
from build.stack import agent, mongodb, sink, zonemta
from build.stack.ports import LOOPBACK
from build.stack.supervisor import Supervisor
from build.stack_test import outbound
from build.stack_test.compare import Event, Verdict, compare
from build.stack_test.submission import Submission

COLLECTIONS = ("zone-queue", "mail.files")
DELIVERED_WITHIN_S = 600.0
# No new row for so long: whatever is missing then does not come. Longer than the agent's grace.
QUIET_S = 25.0
SETTLE_S = 3.0
POLL_S = 2.0
DOWN_S = 4.0
COUNTER = re.compile(r'^zonemta_delivery_status\{status="(\w+)"[^}]*\} (\d+)', re.MULTILINE)
OUTCOMES = {"delivered": "delivered", "rejected": "bounced", "deferred": "deferred"}


@dataclass(frozen=True)
class Mode:
    """Which sources the agent has."""

    name: str
    plugin: bool
    stream: bool
    pre_images: bool = False


MODES = (
    Mode("plugin", plugin=True, stream=False),
    Mode("stream", plugin=False, stream=True, pre_images=True),
    Mode("stream-without-pre-images", plugin=False, stream=True),
    Mode("both", plugin=True, stream=True, pre_images=True),
)
HARMED = " harmed"


@dataclass
class Programs:
    """What one run starts, beside the server that all share."""

    arrangement: Arrangement
    node: str
    agent: agent.Agent
    mongo: mongodb.MongoDB
    sink: sink.Sink
    mta: zonemta.ZoneMta

    def queued(self) -> int:
        """Return how many recipients wait in the mail queue."""
        with pymongo.MongoClient[Any](self.mongo.uri) as client:
            return int(client[zonemta.DATABASE]["zone-queue"].count_documents({}))

    def captured(self) -> list[Event]:
        """Return what the server has of this node."""
        rows = self.arrangement.rows(
            "SELECT coalesce(message_id, ''), coalesce(to_address, ''), event_type, attempt,"
            " queue_id, from_address, status_message, host(sending_ip), zone, message_size_bytes,"
            " certainty FROM email_events WHERE mta_node = %s",
            self.node,
        )
        return [
            Event(
                message_id=message_id,
                recipient=recipient,
                event_type=event_type,
                n=(attempt or 0) if event_type == "deferred" else 0,
                queue_id=queue_id,
                sender=sender,
                attempt=attempt,
                reply=reply,
                sending_ip=ip,
                zone=zone,
                size_bytes=size,
                certainty=certainty,
            )
            for message_id, recipient, event_type, attempt, queue_id, sender, reply, ip, zone,
                size, certainty in rows
        ]  # fmt: skip

    def stored(self) -> int:
        """Return how many rows the server has of this node."""
        rows = self.arrangement.rows(
            "SELECT count(*) FROM email_events WHERE mta_node = %s", self.node
        )
        return int(rows[0][0])


def run(
    arrangement: Arrangement,
    directory: Path,
    mode: Mode,
    *,
    node: str,
    messages: int,
    seed: int,
    harmed: bool,
) -> Verdict:
    """Run one mode; `harmed`: with the agent killed, the server down and MongoDB stepped down and
    restarted in the middle."""
    began_s = time.monotonic()
    with running(arrangement, directory, mode, node=node) as programs:
        suppress(programs.mta, outbound.SUPPRESSED_DOMAIN)
        batch = list(outbound.messages(messages, seed=seed))
        submission = Submission(programs.mta.smtp_port, batch)
        submission.start()
        for share, harm in enumerate(HARMS if harmed else (), start=1):
            wait(lambda s=share: submission.done_ratio >= s / (len(HARMS) + 1))  # type: ignore[misc]
            harm(programs)
        wait(lambda: submission.is_over)
        say(f"  {mode.name}: handed in after {time.monotonic() - began_s:.0f} s")
        wait(lambda: outbound.is_done(submission.handed, programs.sink.truth()))
        wait(lambda: programs.queued() == 0)
        await_rows(programs)
        verdict = judge(programs, mode, submission, messages=messages)
        verdict.uncounted = uncounted(programs.mta, programs.captured())
        verdict.mode += HARMED if harmed else ""
        say(f"  {mode.name}: {time.monotonic() - began_s:.0f} s")
    return verdict


def judge(programs: Programs, mode: Mode, submission: Submission, *, messages: int) -> Verdict:
    """Return what the comparison finds."""
    log = programs.sink.truth()
    expected = outbound.expected(submission.handed, log)
    known = {event.of for event in expected.values()}
    unsure = [one.message for one in submission.handed if one.queue_id is None]
    ignored = {
        (message.message_id, outbound.as_queued(recipient).lower())
        for message in (*unsure, *submission.refused)
        for recipient in message.recipients
    }
    if submission.refused or unsure:
        say(f"  refused {len(submission.refused)}, broken off {len(unsure)}, handed in again")
    verdict = compare(
        mode.name,
        messages=messages,
        expected=expected,
        captured=named(programs.captured(), submission),
        ignored=frozenset(ignored - known),
        stream_knows=not mode.plugin,
    )
    verdict.missing += len(submission.failed)
    return verdict


def named(captured: list[Event], submission: Submission) -> list[Event]:
    """Give events that know their queue id alone the Message-ID that belongs to it."""
    names = {one.queue_id: one.message.message_id for one in submission.handed}
    return [
        event if event.message_id else replace(event, message_id=names.get(event.queue_id, ""))
        for event in captured
    ]


@contextlib.contextmanager
def running(
    arrangement: Arrangement, directory: Path, mode: Mode, *, node: str
) -> Iterator[Programs]:
    """Start everything of a mode; its data goes after."""
    logs = arrangement.supervisor.log_directory / node
    with Supervisor(directory, log_directory=logs) as supervisor:
        mongo = mongodb.start(supervisor, directory)
        if mode.pre_images:
            mongo.enable_pre_images(zonemta.DATABASE, COLLECTIONS)
        watching = agent.start(
            supervisor,
            directory,
            server_url=arrangement.server.url,
            api_key=arrangement.keys[node],
            node=node,
            mongo_uri=mongo.uri_of(zonemta.DATABASE) if mode.stream else "",
        )
        receiving = sink.start(supervisor, directory)
        mta = zonemta.start(
            supervisor,
            directory,
            mongo_uri=mongo.uri_of(zonemta.DATABASE),
            redis_port=arrangement.redis.port,
            sink_port=receiving.port,
            plugin_socket=watching.socket if mode.plugin else None,
            defer_times_ms=outbound.DEFER_TIMES_MS,
            zones=outbound.ZONES,
        )
        yield Programs(arrangement, node, watching, mongo, receiving, mta)


def suppress(mta: zonemta.ZoneMta, domain: str) -> None:
    """Let ZoneMTA drop what is addressed to a domain."""
    connection = http.client.HTTPConnection(LOOPBACK, mta.api_port, timeout=10)
    with contextlib.closing(connection):
        body = json.dumps({"domain": domain})
        connection.request("POST", "/suppressionlist", body, {"Content-Type": "application/json"})
        connection.getresponse().read()


def uncounted(mta: zonemta.ZoneMta, captured: Sequence[Event]) -> dict[str, int]:
    """Return by outcome what ZoneMTA's own counters have more than was captured: what the agent
    compares each hour."""
    connection = http.client.HTTPConnection(LOOPBACK, mta.api_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    counted: Counter[str] = Counter()
    for status, count in COUNTER.findall(text):
        counted[status] += int(count)
    found = Counter(event.event_type for event in captured)
    return {ours: counted[theirs] - found[ours] for theirs, ours in OUTCOMES.items()}


def kill_agent(programs: Programs) -> None:
    """SIGKILL, and some seconds without one."""
    programs.agent.running.kill()
    time.sleep(DOWN_S)
    programs.agent.running.start_again()


def take_server_down(programs: Programs) -> None:
    """SIGKILL the web process, and some seconds without a door."""
    programs.arrangement.server.web.kill()
    time.sleep(DOWN_S)
    programs.arrangement.server.web.start_again()


def step_mongodb_down(programs: Programs) -> None:
    """Let the primary step down: every cursor and connection of the set is cut."""
    with (
        contextlib.suppress(AutoReconnect),
        pymongo.MongoClient[Any](LOOPBACK, programs.mongo.port, directConnection=True) as client,
    ):
        client.admin.command({"replSetStepDown": 5, "force": True})
    wait(lambda: _is_primary(programs), within_s=60)


def restart_mongodb(programs: Programs) -> None:
    """Stop MongoDB and start it again."""
    programs.mongo.running.stop()
    programs.mongo.running.start_again()


HARMS = (kill_agent, take_server_down, step_mongodb_down, restart_mongodb)


def _is_primary(programs: Programs) -> bool:
    try:
        with pymongo.MongoClient[Any](
            LOOPBACK, programs.mongo.port, directConnection=True, serverSelectionTimeoutMS=1000
        ) as client:
            return bool(client.admin.command("hello").get("isWritablePrimary"))
    except PyMongoError:
        return False


def wait(condition: Callable[[], bool], *, within_s: float = DELIVERED_WITHIN_S) -> bool:
    """Return whether it came to hold; when not, the comparison says better what is missing."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def await_rows(programs: Programs) -> None:
    """Return when the number of rows stays as it is."""
    count, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        now = programs.stored()
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(POLL_S)
