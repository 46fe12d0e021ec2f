"""Mail with known outcomes through real ZoneMTA and Haraka: every event captured, once and right.

In each mode of the agent, undisturbed and with faults in the middle (the agent killed, the server
down, MongoDB stepped down and restarted). The last lines of standard output are JSON, one per run.
What is reported must be right; what is inferred may be wrong, and is counted.
"""

import argparse
import http.client
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pymongo

from build.lab import faults, inbound_mail, outbound_mail
from build.lab.delivery import Delivery
from build.lab.inbound_mail import Mail, Outcome
from build.lab.installation import Installation, run_installation
from build.lab.oracle import Event, MailVerdict, judge_mail
from build.lab.outbound_mail import Submission
from build.lab.report import report_progress
from build.stack import agent, haraka, mongodb, rspamd, sink, zonemta
from build.stack.feeder import Message
from build.stack.ports import LOOPBACK
from build.stack.supervisor import Supervisor

COLLECTIONS = ("zone-queue", "mail.files")
DELIVERED_WITHIN_S = 600.0
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
    is_inbound: bool = False


MODES = {
    "plugin": Mode(plugin=True),
    "stream": Mode(stream=True, pre_images=True),
    "stream-without-pre-images": Mode(stream=True),
    "both": Mode(plugin=True, stream=True, pre_images=True),
    "haraka": Mode(plugin=True, is_inbound=True),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
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
    courses: list[type[Course]] = [Outbound, Inbound]
    runs = [(name, faulted) for faulted in with_faults for name in options.modes]
    nodes = [f"stack-{name}" + ("-harmed" if faulted else "") for name, faulted in runs]
    verdicts = []
    with run_installation("stack-test", nodes=nodes) as installation:
        for (name, faulted), node in zip(runs, nodes, strict=True):
            course_type = courses[MODES[name].is_inbound]
            directory = installation.supervisor.directory / node
            shutil.rmtree(directory, ignore_errors=True)
            logs = installation.supervisor.log_directory / node
            with Supervisor(directory, log_directory=logs) as supervisor:
                course = course_type(
                    installation, supervisor, name, node, messages=options.messages,
                    seed=options.seed,
                )  # fmt: skip
                verdicts.append(course.run(faulted=faulted))
            shutil.rmtree(directory, ignore_errors=True)
            for line in format_text(verdicts[-1]):
                report_progress(f"  {line}")
    for verdict in verdicts:
        print(verdict.format_json(), flush=True)
    return 0 if all(verdict.is_clean for verdict in verdicts) else 1


class Course:
    """One run of one mode: programs are started when it is made, and messages handed in."""

    delivery: Delivery[Any]
    faults: Sequence[Callable[[], None]] = ()

    def __init__(
        self, installation: Installation, supervisor: Supervisor, name: str, node: str, *,
        messages: int, seed: int,
    ) -> None:  # fmt: skip
        self.name, self.node, self.mode, self.messages = name, node, MODES[name], messages
        self.installation, self.supervisor = installation, supervisor
        self.directory, self.began_s = supervisor.directory, time.monotonic()
        self.start(seed)

    def start(self, seed: int) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Wait until everything handed in has its final outcome."""
        raise NotImplementedError

    def judge(self) -> MailVerdict:
        raise NotImplementedError

    def run(self, *, faulted: bool) -> MailVerdict:
        """Inject the faults at equal shares of the messages; return the comparison's verdict."""
        injected = self.faults if faulted else ()
        for number, inject in enumerate(injected, start=1):
            share = number / (len(injected) + 1)
            wait(lambda share=share: self.delivery.done_ratio >= share)  # type: ignore[misc]
            inject()
        wait(lambda: self.delivery.is_over, within_s=3600)
        report_progress(f"  {self.name}: handed in after {time.monotonic() - self.began_s:.0f} s")
        self.finish()
        self._wait_for_rows()
        verdict = self.judge()
        verdict.mode += FAULTED if faulted else ""
        report_progress(f"  {verdict.mode}: {time.monotonic() - self.began_s:.0f} s")
        return verdict

    def start_agent(self, *, mongo_uri: str = "", role: str = "zonemta") -> agent.Agent:
        return agent.start(
            self.supervisor,
            self.directory,
            server_url=self.installation.server.url,
            api_key=self.installation.keys[self.node],
            node=self.node,
            mongo_uri=mongo_uri,
            environment={"NODE_ROLE": role},
        )

    def query_events(self, columns: str) -> list[tuple[Any, ...]]:
        """Return columns of what the server has of this node."""
        statement = f"SELECT {columns} FROM email_events WHERE mta_node = %s"  # noqa: S608
        return self.installation.query(statement, self.node)

    def _wait_for_rows(self) -> None:
        """Return when the number of rows stays as it is."""
        count, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_S:
            ((now,),) = self.query_events("count(*)")
            if now != count:
                count, since = now, time.monotonic()
            time.sleep(POLL_S)


class Outbound(Course):
    """MongoDB, ZoneMTA, and a sink whose log is the truth."""

    def start(self, seed: int) -> None:
        """Start the programs and the submission."""
        mongo = mongodb.start(self.supervisor, self.directory)
        uri = mongo.uri_of(zonemta.DATABASE)
        if self.mode.pre_images:
            mongo.enable_pre_images(zonemta.DATABASE, COLLECTIONS)
        started = self.start_agent(mongo_uri=uri if self.mode.stream else "")
        self.mongo, self.sink = mongo, sink.start(self.supervisor, self.directory)
        self.mta = zonemta.start(
            self.supervisor,
            self.directory,
            mongo_uri=uri,
            redis_port=self.installation.redis.port,
            sink_port=self.sink.port,
            plugin_socket=started.socket if self.mode.plugin else None,
            defer_times_ms=outbound_mail.DEFER_TIMES_MS,
            zones=outbound_mail.ZONES,
        )
        self._request_mta(
            "POST", "/suppressionlist", json.dumps({"domain": outbound_mail.SUPPRESSED_DOMAIN})
        )
        self.faults = (
            lambda: faults.kill_for_a_while(started.running),
            lambda: faults.kill_for_a_while(self.installation.server.web),
            lambda: faults.step_mongodb_down(mongo),
            mongo.running.start_again,
        )
        self.submission = Submission(self.mta.smtp_port)
        messages = list(outbound_mail.generate_messages(self.messages, seed=seed))
        self.delivery: Delivery[Message] = Delivery(messages, self.submission.submit_all)

    def finish(self) -> None:
        """Wait for the sink, and for an empty queue."""
        wait(lambda: outbound_mail.is_done(self.submission.submitted, self.sink.truth()))
        with pymongo.MongoClient[Any](self.mongo.uri) as client:
            queue = client[zonemta.DATABASE]["zone-queue"]
            wait(lambda: queue.count_documents({}) == 0)

    def judge(self) -> MailVerdict:
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
            self.name,
            messages=self.messages,
            expected=expected,
            captured=captured,
            ignored=frozenset(ignored - {event.target for event in expected.values()}),
            is_stream_only=not self.mode.plugin,
        )
        verdict.missing += len(submission.failed)
        verdict.uncounted = self._count_uncaptured(captured)
        return verdict

    def read_captured(self) -> list[Event]:
        """Return the server's events; those that have a queue id alone get its Message-ID."""
        rows = self.query_events(
            "coalesce(message_id, ''), coalesce(to_address, ''), event_type, certainty, queue_id,"
            " from_address, attempt, status_message, host(sending_ip), zone, message_size_bytes"
        )
        names = ("queue_id", "sender", "attempt", "reply", "sending_ip", "zone", "size_bytes")
        message_ids = {one.queue_id: one.message.message_id for one in self.submission.submitted}
        events = []
        for message_id, recipient, event_type, certainty, *values in rows:
            fields = dict(zip(names, values, strict=True))
            events.append(
                Event(
                    message_id or message_ids.get(fields["queue_id"], ""),
                    recipient,
                    event_type,
                    n=(fields["attempt"] or 0) if event_type == "deferred" else 0,
                    fields=fields,
                    certainty=certainty,
                )
            )
        return events

    def _count_uncaptured(self, captured: Sequence[Event]) -> dict[str, int]:
        """Return by outcome what ZoneMTA's own counters have more than was captured: what the
        agent compares each hour."""
        counted: Counter[str] = Counter()
        for status, count in COUNTER.findall(self._request_mta("GET", "/metrics")):
            counted[status] += int(count)
        stored = Counter(event.event_type for event in captured)
        return {ours: counted[theirs] - stored[ours] for theirs, ours in OUTCOMES.items()}

    def _request_mta(self, method: str, path: str, body: str | None = None) -> str:
        connection = http.client.HTTPConnection(LOOPBACK, self.mta.api_port, timeout=10)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        text = connection.getresponse().read().decode()
        connection.close()
        return text


class Inbound(Course):
    """Haraka, and Rspamd where there is one; Haraka's replies are the truth."""

    def start(self, seed: int) -> None:
        """Start the programs and the delivery."""
        started = self.start_agent(role="haraka")
        redis_port, scan_port = self.installation.redis.port, None
        if rspamd.is_installed():
            scanner = rspamd.start(self.supervisor, self.directory, redis_port=redis_port)
            scan_port = scanner.scan_port
        self.mx = haraka.start(
            self.supervisor,
            self.directory,
            sink_port=sink.start(self.supervisor, self.directory).port,
            redis_port=redis_port,
            rspamd_port=scan_port,
            plugin_socket=started.socket,
        )
        self.faults = (
            lambda: faults.kill_for_a_while(started.running),
            lambda: faults.kill_for_a_while(self.installation.server.web),
        )
        self.outcomes: list[Outcome] = []

        def deliver_all(mails: Any) -> None:
            for mail in mails:
                self.outcomes.extend(inbound_mail.deliver(self.mx.smtp_port, mail))

        mails = inbound_mail.generate_mails(self.messages, with_rspamd=scan_port is not None)
        self.delivery: Delivery[Mail] = Delivery(list(mails), deliver_all)

    def finish(self) -> None:
        """Be refused in the ways that need no recipient."""
        self.outcomes += inbound_mail.refuse_without_recipient(self.mx.smtp_port)

    def judge(self) -> MailVerdict:
        """Compare each outcome, and `received` before it."""
        expected = [
            event.to_event() for outcome in self.outcomes for event in (outcome, outcome.received)
        ]
        rows = self.query_events(
            "event_type, to_address, from_address, host(client_ip), message_size_bytes,"
            " coalesce(status_message, ''), bounce_category"
        )
        return judge_mail(
            self.name,
            messages=self.messages,
            expected={event.key: event for event in expected},
            captured=[Outcome(*row).to_event() for row in rows],
        )


def wait(condition: Callable[[], bool], *, within_s: float = DELIVERED_WITHIN_S) -> None:
    """Return when it holds or time is over; the comparison then shows what is missing."""
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_S)


def format_text(verdict: MailVerdict) -> list[str]:
    """Return the figures beyond the JSON line."""
    lines = [verdict.format_json()]
    if verdict.uncounted:
        lines.append(f"ZoneMTA's own counters less what was captured: {verdict.uncounted}")
    if verdict.wrong_fields:
        lines.append(f"wrong fields: {dict(verdict.wrong_fields)}")
    if verdict.inferred_as:
        lines.append(f"inferred otherwise: {dict(verdict.inferred_as)}")
    lines += [f"{kind}: {text}" for kind, texts in verdict.examples.items() for text in texts]
    return lines
