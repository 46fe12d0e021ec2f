"""Mail with known outcomes through ZoneMTA and Haraka.

Every event must be captured, once and right: in each mode of the agent, undisturbed and with faults
in the middle (the agent killed, the server down, MongoDB stepped down and restarted). The last
lines of standard output are JSON, one per run. What is reported must be right; what is inferred may
be wrong, and is counted.
"""

import argparse
import contextlib
import http.client
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pymongo

from build.lab import inbound_mail, outbound_mail
from build.lab.delivery import Delivery, wait
from build.lab.faults import kill_for_a_while, step_mongodb_down
from build.lab.inbound_mail import Mail, Outcome
from build.lab.installation import Installation, run_installation
from build.lab.oracle import Event, MailVerdict, judge_mail
from build.lab.outbound_mail import Submission
from build.lab.report import report_progress
from build.stack import agent, haraka, mongodb, rspamd, sink, zonemta
from build.stack.ports import LOOPBACK
from build.stack.supervisor import Supervisor

COLLECTIONS = ("zone-queue", "mail.files")
# No new row for so long: whatever is missing then does not come. Longer than the agent's grace.
QUIET_S = 25.0
POLL_S = 2.0
COUNTER = re.compile(r'^zonemta_delivery_status\{status="(\w+)"[^}]*\} (\d+)', re.MULTILINE)
OUTCOMES = {"delivered": "delivered", "rejected": "bounced", "deferred": "deferred"}
FAULTED = " harmed"


@dataclass(frozen=True)
class Mode:
    """The agent's sources."""

    plugin: bool = False
    stream: bool = False
    pre_images: bool = False


INBOUND = "haraka"
MODES = {
    "plugin": Mode(plugin=True),
    "stream": Mode(stream=True, pre_images=True),
    "stream-without-pre-images": Mode(stream=True),
    "both": Mode(plugin=True, stream=True, pre_images=True),
    INBOUND: Mode(plugin=True),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=int, default=5000, help="of each mode")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--modes", type=parse_modes, default=[*MODES], help="separated by commas")
    parser.add_argument("--harm", choices=("no", "yes", "both"), default="both")


def parse_modes(text: str) -> list[str]:
    """Return the modes of an option."""
    names = text.split(",")
    if unknown := set(names) - MODES.keys():
        message = f"no such mode: {', '.join(sorted(unknown))}; there are {', '.join(MODES)}"
        raise argparse.ArgumentTypeError(message)
    return [name for name in MODES if name in names]


def run(options: argparse.Namespace) -> int:
    """Run every mode; return 1 when a verdict is not clean."""
    with_faults = {"no": [False], "yes": [True], "both": [False, True]}[options.harm]
    runs = [(name, faulted) for faulted in with_faults for name in options.modes]
    nodes = [f"stack-{name}" + ("-harmed" if faulted else "") for name, faulted in runs]
    verdicts = []
    with run_installation("stack-test", nodes=nodes) as installation:
        for (name, faulted), node in zip(runs, nodes, strict=True):
            directory = installation.supervisor.directory / node
            shutil.rmtree(directory, ignore_errors=True)
            logs = installation.supervisor.log_directory / node
            with Supervisor(directory, log_directory=logs) as supervisor:
                place = Place(installation, supervisor, node)
                course = (
                    Inbound(place, options.messages)
                    if name == INBOUND
                    else Outbound(place, MODES[name], options.messages, seed=options.seed)
                )
                verdicts.append(run_course(course, name, faulted=faulted))
            shutil.rmtree(directory, ignore_errors=True)
            for line in format_text(verdicts[-1]):
                report_progress(f"  {line}")
    for verdict in verdicts:
        print(verdict.format_json(), flush=True)
    return 0 if all(verdict.is_clean for verdict in verdicts) else 1


def run_course(course: "Outbound | Inbound", name: str, *, faulted: bool) -> MailVerdict:
    """Inject the faults at equal shares of the messages; return the comparison's verdict."""
    began_s = time.monotonic()
    injected = course.faults if faulted else ()
    for number, inject in enumerate(injected, start=1):
        wait(partial(course.delivery.has_reached, number / (len(injected) + 1)))
        inject()
    wait(course.delivery.is_over, within_s=3600)
    report_progress(f"  {name}: handed in after {time.monotonic() - began_s:.0f} s")
    course.finish()
    count, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        ((now,),) = course.place.query_events("count(*)")
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(POLL_S)
    verdict = course.judge(name)
    verdict.mode += FAULTED if faulted else ""
    report_progress(f"  {verdict.mode}: {time.monotonic() - began_s:.0f} s")
    return verdict


@dataclass
class Place:
    """The server that all runs share, and the directory and node of one."""

    installation: Installation
    supervisor: Supervisor
    node: str

    def start_agent(self, *, mongo_uri: str = "", role: str = "zonemta") -> agent.Agent:
        return agent.start(
            self.supervisor,
            self.supervisor.directory,
            server_url=self.installation.server.url,
            api_key=self.installation.keys[self.node],
            node=self.node,
            mongo_uri=mongo_uri,
            environment={"NODE_ROLE": role},
        )

    def start_sink(self) -> sink.Sink:
        return sink.start(self.supervisor, self.supervisor.directory)

    def list_faults(self, started: agent.Agent) -> list[Callable[[], None]]:
        web = self.installation.server.web
        return [lambda: kill_for_a_while(started.running), lambda: kill_for_a_while(web)]

    def query_events(self, columns: str) -> list[tuple[Any, ...]]:
        """Return columns of what the server has of this node."""
        statement = f"SELECT {columns} FROM email_events WHERE mta_node = %s"  # noqa: S608
        return self.installation.query(statement, self.node)


class Outbound:
    """MongoDB, ZoneMTA, and a sink whose log is the truth."""

    def __init__(self, place: Place, mode: Mode, messages: int, *, seed: int) -> None:
        directory = place.supervisor.directory
        self.place, self.mode, self.messages = place, mode, messages
        self.mongo = mongodb.start(place.supervisor, directory)
        uri = self.mongo.uri_of(zonemta.DATABASE)
        if mode.pre_images:
            self.mongo.enable_pre_images(zonemta.DATABASE, COLLECTIONS)
        started = place.start_agent(mongo_uri=uri if mode.stream else "")
        self.sink = place.start_sink()
        self.mta = zonemta.start(
            place.supervisor,
            directory,
            mongo_uri=uri,
            redis_port=place.installation.redis.port,
            sink_port=self.sink.port,
            plugin_socket=started.socket if mode.plugin else None,
            defer_times_ms=outbound_mail.DEFER_TIMES_MS,
            zones=outbound_mail.ZONES,
        )
        suppressed = json.dumps({"domain": outbound_mail.SUPPRESSED_DOMAIN})
        self._request_mta("POST", "/suppressionlist", suppressed)
        self.faults: list[Callable[[], None]] = [
            *place.list_faults(started),
            lambda: step_mongodb_down(self.mongo),
            self.mongo.running.start_again,
        ]
        self.submission = Submission(self.mta.smtp_port)
        todo = list(outbound_mail.generate_messages(messages, seed=seed))
        self.delivery = Delivery(todo, self.submission.submit_all)

    def finish(self) -> None:
        """Wait for the sink, and for an empty queue."""
        wait(lambda: outbound_mail.is_done(self.submission.submitted, self.sink.truth()))
        with pymongo.MongoClient[Any](self.mongo.uri) as client:
            queue = client[zonemta.DATABASE]["zone-queue"]
            wait(lambda: queue.count_documents({}) == 0)

    def judge(self, name: str) -> MailVerdict:
        """Compare; of messages that broke off only what the sink saw is judged."""
        submission, captured = self.submission, self.read_captured()
        expected = outbound_mail.build_expected(submission.submitted, self.sink.truth())
        unsure = [one.message for one in submission.submitted if one.queue_id is None]
        if submission.refused or unsure:
            report_progress(
                f"  refused {len(submission.refused)}, broken off {len(unsure)}, handed in again"
            )
        ignored = {
            (message.message_id, recipient.lower())
            for message in (*unsure, *submission.refused)
            for recipient in message.recipients
        }
        verdict = judge_mail(
            name,
            messages=self.messages,
            expected=expected,
            captured=captured,
            ignored=frozenset(ignored - {event.target for event in expected.values()}),
            is_stream_only=not self.mode.plugin,
        )
        verdict.missing += len(submission.failed)
        # By outcome, what ZoneMTA's own counters have more: what the agent compares each hour.
        counted: Counter[str] = Counter()
        for status, count in COUNTER.findall(self._request_mta("GET", "/metrics")):
            counted[status] += int(count)
        stored = Counter(event.event_type for event in captured)
        verdict.uncounted = {ours: counted[its] - stored[ours] for its, ours in OUTCOMES.items()}
        return verdict

    def read_captured(self) -> list[Event]:
        """Return the server's events; those that have a queue id alone get its Message-ID."""
        rows = self.place.query_events(
            "coalesce(message_id, ''), coalesce(to_address, ''), event_type, certainty, queue_id,"
            " from_address, attempt, status_message, host(sending_ip), zone, message_size_bytes"
        )
        names = ("queue_id", "sender", "attempt", "reply", "sending_ip", "zone", "size_bytes")
        message_ids = {one.queue_id: one.message.message_id for one in self.submission.submitted}
        events = []
        for message_id, recipient, event_type, certainty, *values in rows:
            fields = dict(zip(names, values, strict=True))
            name = message_id or message_ids.get(fields["queue_id"], "")
            n = (fields["attempt"] or 0) if event_type == "deferred" else 0
            events.append(Event(name, recipient, event_type, n, fields, certainty))
        return events

    def _request_mta(self, method: str, path: str, body: str | None = None) -> str:
        connection = http.client.HTTPConnection(LOOPBACK, self.mta.api_port, timeout=10)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return connection.getresponse().read().decode()


class Inbound:
    """Haraka, and Rspamd where there is one; Haraka's replies are the truth."""

    def __init__(self, place: Place, messages: int) -> None:
        directory, redis_port = place.supervisor.directory, place.installation.redis.port
        self.place, self.messages = place, messages
        started = place.start_agent(role="haraka")
        scan_port = None
        if rspamd.is_installed():
            scanner = rspamd.start(place.supervisor, directory, redis_port=redis_port)
            scan_port = scanner.scan_port
        self.mx = haraka.start(
            place.supervisor,
            directory,
            sink_port=place.start_sink().port,
            redis_port=redis_port,
            rspamd_port=scan_port,
            plugin_socket=started.socket,
        )
        self.faults: list[Callable[[], None]] = place.list_faults(started)
        self.outcomes: list[Outcome] = []
        todo = inbound_mail.generate_mails(messages, with_rspamd=scan_port is not None)
        self.delivery = Delivery(list(todo), self._deliver_all)

    def _deliver_all(self, mails: Iterator[Mail]) -> None:
        for mail in mails:
            self.outcomes.extend(inbound_mail.deliver(self.mx.smtp_port, mail))

    def finish(self) -> None:
        """Be refused in the ways that need no recipient."""
        self.outcomes += inbound_mail.refuse_without_recipient(self.mx.smtp_port)

    def judge(self, name: str) -> MailVerdict:
        """Compare each outcome, and `received` before it."""
        expected = [
            event.to_event() for outcome in self.outcomes for event in (outcome, outcome.received)
        ]
        rows = self.place.query_events(
            "event_type, to_address, from_address, host(client_ip), message_size_bytes,"
            " coalesce(status_message, ''), bounce_category"
        )
        return judge_mail(
            name,
            messages=self.messages,
            expected={event.key: event for event in expected},
            captured=[Outcome(*row).to_event() for row in rows],
        )


def format_text(verdict: MailVerdict) -> list[str]:
    """Return the figures beyond the JSON line."""
    figures = {
        "ZoneMTA's own counters less what was captured": verdict.uncounted,
        "wrong fields": dict(verdict.wrong_fields),
        "inferred otherwise": dict(verdict.inferred_as),
    }
    lines = [verdict.format_json(), *(f"{name}: {each}" for name, each in figures.items() if each)]
    return lines + [f"{kind}: {text}" for kind, its in verdict.examples.items() for text in its]
