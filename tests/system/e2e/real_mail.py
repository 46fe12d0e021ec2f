"""The runs of the real_mail scenario, one a mode and harm; pytest collects them only by this path.

The variable REAL_MAIL holds the choices of `python -m build.lab real_mail` as JSON: `messages` of
each run, `seed`, `runs` of (mode, harm), `ahead_s` of the node's clock, `within_s` of each run, and
`verdicts`, the file that gets a line of JSON a run.
"""

import contextlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from build.lab.installation import NO_LIMITS
from build.lab.scenarios.real_mail import MODES
from build.lab.traffic import wait_until
from build.stack import rspamd, zonemta
from build.stack.command import report_progress
from build.stack.mongodb import MongoDB
from build.stack.paths import ROOT
from build.stack.ports import LOOPBACK
from build.stack.supervisor import Running
from tests.fakes.agent_process import program_ahead
from tests.system.e2e import cluster, inbound_mail, outbound_mail, queueing
from tests.system.e2e.cluster import Base, Cluster, InboundCluster
from tests.system.e2e.comparison import Event, MailVerdict, judge_mail
from tests.system.e2e.delivery import Delivery
from tests.system.e2e.inbound_mail import Mail, Outcome
from tests.system.e2e.outbound_mail import Submission, WayIn

CHOSEN = json.loads(os.environ["REAL_MAIL"])
AHEAD_S: int = CHOSEN["ahead_s"]
PLUGIN, STREAM, WITHOUT_PRE_IMAGES, BOTH, INBOUND = MODES
#: The agent's sources.
SOURCES = {
    PLUGIN: {"plugin": True, "stream": False, "pre_images": False},
    STREAM: {"plugin": False, "stream": True, "pre_images": True},
    WITHOUT_PRE_IMAGES: {"plugin": False, "stream": True, "pre_images": False},
    BOTH: {"plugin": True, "stream": True, "pre_images": True},
}
HARMED = " harmed"
# Nothing moved for so long: as an operator would, start ZoneMTA again.
STILL_S = 60.0
# No new row for so long: whatever is missing then does not come. Longer than the agent's grace.
QUIET_S = 25.0
POLL_S = 2.0
MAX_SHOWN = 10
# Events dated before or after the run, by more than a clock is measured wrong by.
TOLERANCE = timedelta(seconds=30)
MISDATED = (
    "SELECT occurred_at, event_type FROM email_events"
    " WHERE NOT occurred_at BETWEEN %s - %s AND now() + interval '30 s'"
)
QUEUE_FIELDS = dict.fromkeys(
    ("id", "seq", "recipient", "locked", "lockTime", "assigned", "queued", "_deferred.count"), True
)
DOWN_S = 4.0
STEPPED_DOWN_WITHIN_S = 60.0
COUNTER = re.compile(r'^zonemta_delivery_status\{status="(\w+)"[^}]*\} (\d+)', re.MULTILINE)
OUTCOMES = {"delivered": "delivered", "rejected": "bounced", "deferred": "deferred"}


@pytest.mark.parametrize(("mode", "harm"), CHOSEN["runs"])
def test_every_event_is_captured_once_and_right(mode: str, harm: bool, tmp_path: Path) -> None:
    with run_course(mode, tmp_path) as course:
        verdict = judge_course(course, mode, harm=harm)
    for line in format_text(verdict):
        report_progress(f"  {line}")
    with Path(CHOSEN["verdicts"]).open("a") as file:
        print(verdict.format_json(), file=file)
    assert verdict.is_clean


@contextlib.contextmanager
def run_course(mode: str, directory: Path) -> Iterator["Outbound | Inbound"]:
    """Start the programs of a mode, and the submission."""
    program = program_ahead(AHEAD_S) if AHEAD_S else None
    if AHEAD_S:
        shifted = ROOT / "tests" / "fakes" / "shifted-date.cjs"
        os.environ |= {"NODE_OPTIONS": f"--require={shifted}", "SHIFT_S": str(AHEAD_S)}
    if mode == INBOUND:
        with cluster.run_inbound(directory, environment=NO_LIMITS, program=program) as receiving:
            yield Inbound(receiving)
    else:
        with cluster.running(
            directory,
            **SOURCES[mode],
            defer_times_ms=outbound_mail.DEFER_TIMES_MS,
            zones=outbound_mail.ZONES,
            environment=NO_LIMITS,
            program=program,
        ) as sending:
            yield Outbound(sending, is_stream_only=not SOURCES[mode]["plugin"])


def judge_course(course: "Outbound | Inbound", mode: str, *, harm: bool) -> MailVerdict:
    """Inject the faults at equal shares of the messages; return the comparison's verdict."""
    began_s, began_at = time.monotonic(), datetime.now(UTC)
    deadline_s = began_s + CHOSEN["within_s"]
    faults = course.list_faults() if harm else []
    for number, inject in enumerate(faults, start=1):
        wait(partial(course.delivery.list_waiting, number / (len(faults) + 1)), deadline_s)
        inject()
    wait(course.delivery.list_waiting, deadline_s)
    report_progress(f"  {mode}: handed in after {time.monotonic() - began_s:.0f} s")
    course.finish(deadline_s)
    count, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        ((now,),) = course.programs.rows("SELECT count(*) FROM email_events")
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(POLL_S)
    verdict = course.judge(mode)
    for occurred_at, event_type in course.programs.rows(MISDATED, began_at, TOLERANCE):
        verdict.count("wrong", f"{event_type} at {occurred_at}, after {began_at}", kind="times")
    verdict.mode += HARMED if harm else ""
    verdict.mode += f" {AHEAD_S:+} s" if AHEAD_S else ""
    report_progress(f"  {verdict.mode}: {time.monotonic() - began_s:.0f} s")
    return verdict


def wait(
    list_missing: Callable[[], Sequence[str]],
    deadline_s: float,
    *,
    wake: Callable[[], object] = lambda: None,
) -> None:
    """Return when nothing is missing. Call `wake` when the same is for STILL_S.

    Raise AssertionError with what is missing when the clock passes `deadline_s`: a limit of the
    whole run, so that its end comes before that of whoever waits for it.
    """
    last: Sequence[str] = ()
    since_s = time.monotonic()
    while missing := list_missing():
        now_s = time.monotonic()
        assert now_s < deadline_s, format_missing(missing)
        if missing != last:
            last, since_s = missing, now_s
        elif now_s - since_s > STILL_S:
            report_progress(f"  nothing moved for {STILL_S:.0f} s: {format_missing(missing)}")
            wake()
            since_s = time.monotonic()
        time.sleep(POLL_S)  # seldom: it reads the log of every reply


def format_missing(missing: Sequence[str]) -> str:
    """Return how much is missing, and the first and last of it: outcomes, and the queue's."""
    shown = dict.fromkeys([*missing[:MAX_SHOWN], *missing[-MAX_SHOWN:]])
    return "\n    ".join([f"waiting for {len(missing)}:", *shown])


class Outbound:
    """MongoDB, ZoneMTA, and a sink whose log is the truth."""

    def __init__(self, programs: Cluster, *, is_stream_only: bool) -> None:
        self.programs, self.is_stream_only = programs, is_stream_only
        api_port = programs.mta.api_port
        suppressed = {"domain": outbound_mail.SUPPRESSED_DOMAIN}
        queueing.request_mta(api_port, "POST", "/suppressionlist", suppressed)
        self.submission = Submission(
            partial(WayIn, programs.mta.smtp_port, api_port, programs.mongo.uri)
        )
        self.repeated: set[str] = set()
        todo = list(outbound_mail.generate_messages(CHOSEN["messages"], seed=CHOSEN["seed"]))
        self.delivery = Delivery(todo, self.submission.submit_all)

    def list_faults(self) -> list[Callable[[], None]]:
        """Return the faults in their order."""
        mongo = self.programs.mongo
        return [
            *list_common_faults(self.programs, self.programs.agent.running),
            lambda: step_mongodb_down(mongo),
            mongo.running.start_again,
        ]

    def finish(self, deadline_s: float) -> None:
        """Wait for the sink, and for an empty queue.

        When ZoneMTA cannot store an outcome, because MongoDB was away, the delivery stays `locked`
        for an hour, and the process of its zone closes all its senders, does not end and is not
        replaced (services/sender.js, `sender.once('error')`): the zone stands still until an
        operator restarts ZoneMTA, which also unlocks what it held.
        """
        with pymongo.MongoClient[Any](self.programs.mongo.uri) as client:
            queue = client[zonemta.DATABASE]["zone-queue"]
            wait(
                partial(self._list_unfinished, queue), deadline_s, wake=partial(self._unlock, queue)
            )

    def _list_unfinished(self, queue: Collection[Any]) -> list[str]:
        submitted, log = self.submission.submitted, self.programs.sink.truth()
        targets = sorted(outbound_mail.find_unfinished(submitted, log))
        documents = queue.find({}, QUEUE_FIELDS).sort("_id")
        return [*(f"the outcome of {target}" for target in targets), *map(str, documents)]

    def _unlock(self, queue: Collection[Any]) -> None:
        """Start ZoneMTA again, which then repeats the attempts whose outcome it could not store.

        Such a deferral has its number twice: its recipient is left out of the comparison.
        """
        replies = Counter(line["recipient"] for line in self.programs.sink.truth())
        for held in queue.find({"locked": True}):
            stored = held.get("_deferred", {}).get("count", 0)
            if replies[held["recipient"]] > stored:
                self.repeated |= {held["recipient"], f"{held['recipient']} {held['seq']}"}
        self.programs.mta.running.start_again()

    def judge(self, name: str) -> MailVerdict:
        """Compare; of messages that broke off only what the sink saw is judged."""
        submission, captured = self.submission, self.read_captured()
        expected = outbound_mail.build_expected(submission.submitted, self.programs.sink.truth())
        repeated = {
            event.target
            for event in expected.values()
            if event.recipient in self.repeated
            and outbound_mail.parse_kind(event.recipient) in outbound_mail.TEMPORARY
        }
        expected = {key: one for key, one in expected.items() if one.target not in repeated}
        unsure = [one for one in submission.submitted if one.queue_id is None]
        ours = {one.message.message_id for one in submission.submitted}
        ours |= {one.message.message_id for one in submission.refused}
        # While MongoDB is away ZoneMTA refuses its own notifications too: the sink cannot know.
        unqueued = {
            event.target
            for event in captured
            if event.event_type == "rejected" and event.message_id not in ours
        }
        if submission.refused or unsure:
            report_progress(
                f"  refused {len(submission.refused)}, broken off {len(unsure)}, handed in again"
            )
        if unqueued:
            report_progress(f"  notifications that ZoneMTA refused: {len(unqueued)}")
        if repeated:
            report_progress(
                f"  left out, for ZoneMTA counts their attempts anew: {sorted(repeated)}"
            )
        ignored = {
            (one.message.message_id, name.lower())
            for one in (*unsure, *submission.refused)
            for _, name, _ in one.list_recipients()
        }
        verdict = judge_mail(
            name,
            messages=CHOSEN["messages"],
            expected=expected,
            captured=captured,
            ignored=frozenset(
                ignored - {each.target for each in expected.values()} | repeated | unqueued
            ),
            is_stream_only=self.is_stream_only,
        )
        verdict.missing += len(submission.failed)
        # By outcome, what ZoneMTA's own counters have more: what the agent compares each hour.
        counted: Counter[str] = Counter()
        metrics = queueing.request_mta(self.programs.mta.api_port, "GET", "/metrics")
        for status, count in COUNTER.findall(metrics):
            counted[status] += int(count)
        stored = Counter(event.event_type for event in captured)
        verdict.uncounted = {ours: counted[its] - stored[ours] for its, ours in OUTCOMES.items()}
        return verdict

    def read_captured(self) -> list[Event]:
        """Return the server's events; those that have a queue id alone get its Message-ID."""
        rows = self.programs.rows(
            "SELECT coalesce(message_id, ''), coalesce(to_address, ''), event_type, certainty,"
            " queue_id, from_address, attempt, status_message, host(sending_ip), zone,"
            " message_size_bytes, queue_seq FROM email_events"
        )
        names = ("queue_id", "sender", "attempt", "reply", "sending_ip", "zone", "size_bytes")
        submitted = [*self.submission.submitted, *self.submission.refused]
        by_queue_id = {one.queue_id: one.message for one in submitted}
        by_message_id = {one.message.message_id: one.message for one in submitted}
        events = []
        for message_id, address, event_type, certainty, *values, seq in rows:
            fields = dict(zip(names, values, strict=True))
            message = by_message_id.get(message_id) or by_queue_id.get(fields["queue_id"])
            name = message.message_id if message else message_id
            recipient = outbound_mail.name_recipient(message, address, seq) if message else address
            n = (fields["attempt"] or 0) if event_type == "deferred" else 0
            events.append(Event(name, recipient, event_type, n, fields, certainty))
        return events


class Inbound:
    """Haraka, and Rspamd where there is one; Haraka's replies are the truth."""

    def __init__(self, programs: InboundCluster) -> None:
        self.programs = programs
        self.outcomes: list[Outcome] = []
        todo = inbound_mail.generate_mails(CHOSEN["messages"], with_rspamd=rspamd.is_installed())
        self.delivery = Delivery(list(todo), self._deliver_all)

    def list_faults(self) -> list[Callable[[], None]]:
        """Return the faults in their order."""
        return list_common_faults(self.programs, self.programs.agent.running)

    def _deliver_all(self, mails: Iterator[Mail]) -> None:
        for mail in mails:
            self.outcomes.extend(inbound_mail.deliver(self.programs.mx.smtp_port, mail))

    def finish(self, _deadline_s: float) -> None:
        """Be refused in the ways that need no recipient."""
        self.outcomes += inbound_mail.refuse_without_recipient(self.programs.mx.smtp_port)

    def judge(self, name: str) -> MailVerdict:
        """Compare each outcome, and `received` before it."""
        expected = [
            event.to_event() for outcome in self.outcomes for event in (outcome, outcome.received)
        ]
        rows = self.programs.rows(
            "SELECT event_type, to_address, from_address, host(client_ip), message_size_bytes,"
            " coalesce(status_message, ''), bounce_category"
            " FROM email_events"
        )
        return judge_mail(
            name,
            messages=CHOSEN["messages"],
            expected={event.key: event for event in expected},
            captured=[Outcome(*row).to_event() for row in rows],
        )


def list_common_faults(programs: Base, agent: Running) -> list[Callable[[], None]]:
    """Return the faults of every cluster."""
    web = programs.server.web
    return [lambda: kill_for_a_while(agent), lambda: kill_for_a_while(web)]


def kill_for_a_while(running: Running) -> None:
    """SIGKILL a program and start it again after some seconds."""
    running.kill()
    time.sleep(DOWN_S)
    running.start_again()


def step_mongodb_down(mongo: MongoDB) -> None:
    """Let the primary step down, which cuts every cursor and connection, and wait for a primary."""
    client: pymongo.MongoClient[Any]
    with pymongo.MongoClient(
        LOOPBACK, mongo.port, directConnection=True, serverSelectionTimeoutMS=1000
    ) as client:

        def is_primary() -> bool:
            with contextlib.suppress(PyMongoError):
                return bool(client.admin.command("hello").get("isWritablePrimary"))
            return False

        with contextlib.suppress(PyMongoError):  # AutoReconnect: its own connection is cut too
            client.admin.command({"replSetStepDown": 5, "force": True})
        wait_until(is_primary, within_s=STEPPED_DOWN_WITHIN_S)


def format_text(verdict: MailVerdict) -> list[str]:
    """Return the figures beyond the JSON line."""
    figures = {
        "ZoneMTA's own counters less what was captured": verdict.uncounted,
        "wrong fields": dict(verdict.wrong_fields),
        "inferred otherwise": dict(verdict.inferred_as),
    }
    lines = [verdict.format_json(), *(f"{name}: {each}" for name, each in figures.items() if each)]
    return lines + [f"{kind}: {text}" for kind, its in verdict.examples.items() for text in its]
