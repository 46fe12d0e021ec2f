"""An invented cluster for the pictures: generated history, then mail and samples as they arrive.

One node stops reporting and one destination refuses mail: the pages are made to show these.
"""

import json
import random
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from build.lab.installation import Installation
from build.lab.traffic import INGEST_PATH, Connection
from build.stack.errors import StackError
from build.stack.paths import ROOT
from server.demo import mail, samples

NODES, SEED, EVENTS_PER_HOUR, HISTORY_HOURS = 6, 1, 16_000, 50
CLUSTER = mail.cluster(NODES)
SENDING, RECEIVING = CLUSTER.outbound, CLUSTER.inbound[0]
STARTED = datetime.now(UTC)
#: The newest hour arrives through the API, so that every page has live numbers.
STREAMED = timedelta(minutes=60)
SILENT, SILENT_SINCE = SENDING[-1], STARTED - timedelta(minutes=4, seconds=20)
REFUSING, REFUSING_SINCE = "outlook.example", STARTED - timedelta(minutes=38)
REFUSAL = "451 4.7.500 Server busy. Please try again later from [192.0.2.10]. (S77714)"
#: Of samples the newest day is made here, so that every chart of a node has something to show.
SAMPLES_FOR, SAMPLES_EVERY = timedelta(hours=26), timedelta(minutes=5)
PROGRAMS = {
    SENDING[0]: ("agent", "mongodb", "redis"),
    RECEIVING: ("agent", "haraka", "rspamd", "redis"),
}
MAX_ITEMS = 100  # of a POST
#: When ZoneMTA of the first node was upgraded.
UPGRADED = STARTED - timedelta(hours=7.7)
#: None but the two above disturb the newest hour.
CALM = mail.Incidents(None, (0, 0), None, (0, 0))
REJECTIONS = ("rspamd", "rspamd", "rspamd", "dnsbl", "rcpt_to.qmail_deliverable")
HAM_SYMBOLS = ("MIME_GOOD", "R_SPF_ALLOW", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW")
SPAM_SYMBOLS = ("BAYES_SPAM", "R_SPF_FAIL", "DBL_SPAM", "RBL_SPAMHAUS_SBL", "FORGED_SENDER")
#: The queue that all nodes share, before that destination refuses and then.
QUEUES = json.loads(Path(__file__).with_name("queue.json").read_text())
REQUEST_TIMEOUT_SECONDS = 5.0
#: The live process looks for problems every five seconds.
NOTICED_WITHIN_SECONDS = 6


class Cluster:
    """The invented cluster as the API of one installation knows it."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._key = installation.site.manage("create_api_key", "--any-node", "--name", "x").strip()

    def fill(self) -> None:
        """Store the history and the newest hour; return when pages show it. Raise StackError."""
        self._installation.site.manage(
            *("fill", "--hours", str(HISTORY_HOURS), "--events-per-hour", str(EVENTS_PER_HOUR)),
            *("--nodes", str(NODES), "--samples-every-s", "60", "--seed", str(SEED)),
            *("--until", (STARTED - STREAMED).isoformat()),
        )
        first = {"node_id": SENDING[0], "versions": {"zonemta": "3.11.0"}}
        self._post("/api/v1/nodes", samples.details(SENDING[0]) | first)
        upgrade = "UPDATE nodes_change SET at = %s WHERE kind = 'version' AND before <> ''"
        self._installation.query(upgrade, UPGRADED)
        # Or the hour until the stream begins would be a silence of all nodes.
        self.set_last_seen(datetime.now(UTC))
        past: dict[str, list[dict[str, Any]]] = {}
        for step in range(int(SAMPLES_FOR / SAMPLES_EVERY), 0, -1):
            for node in PROGRAMS:
                for kind, sample in samples_of(node, STARTED - step * SAMPLES_EVERY):
                    past.setdefault(kind, []).append(sample)
        # The last report of the silent node, or its share of the queue would be stranded.
        past["zonemta"].append(mail_queue(SILENT, SILENT_SINCE))
        for kind, its in past.items():
            self._post(f"/api/v1/metrics/{kind}", its)
        self._post_samples()
        self._post(INGEST_PATH, list(events_between(STARTED - STREAMED, datetime.now(UTC))))
        self._installation.drain()
        time.sleep(NOTICED_WITHIN_SECONDS)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Send the events of each second, and samples, while the block runs."""
        stop = threading.Event()

        def send() -> None:
            sent_until = datetime.now(UTC)
            while not stop.wait(1.0):
                now = datetime.now(UTC)
                self._post(INGEST_PATH, list(events_between(sent_until, now)))
                sent_until = now
                self._post_samples()

        thread = threading.Thread(target=send, name="stream")
        thread.start()
        self.set_last_seen(SILENT_SINCE, only=SILENT)
        try:
            yield
        finally:
            stop.set()
            thread.join(REQUEST_TIMEOUT_SECONDS)

    def set_last_seen(self, at: datetime, *, only: str = "") -> None:
        """Make the last sign of life of every node, or of `only` one, lie at `at`."""
        statement = "UPDATE nodes_node SET last_seen_at = %s WHERE %s IN ('', name)"
        self._installation.query(statement, at, only)

    def _post_samples(self) -> None:
        now = datetime.now(UTC)
        for node in CLUSTER.nodes:
            if node != SILENT:
                for kind, sample in samples_of(node, now):
                    self._post(f"/api/v1/metrics/{kind}", sample)

    def _post(self, path: str, content: dict[str, Any] | list[dict[str, Any]]) -> None:
        """POST one item, or many in bodies that the API accepts. Raise StackError when refused."""
        headers = {"Authorization": f"Bearer {self._key}"}
        port = self._installation.server.web_port
        connection = Connection(port, path, headers, timeout_s=REQUEST_TIMEOUT_SECONDS)
        bodies: Iterable[object] = [content]
        if isinstance(content, list):
            bodies = (content[n : n + MAX_ITEMS] for n in range(0, len(content), MAX_ITEMS))
        for body in bodies:
            status, answer = connection.post(json.dumps(body, default=str).encode())
            if not status.startswith("2"):
                raise StackError(f"{path}: {status} {answer!r}")
        connection.close()


@cache
def events_of_hour(hour: datetime) -> list[mail.Row]:
    """Return the generated events of an hour's messages, with causes and symbols of refusals."""
    events = mail.hour_of_events(hour, events_per_hour=EVENTS_PER_HOUR, seed=SEED, nodes=NODES)
    return [
        event | incident_details(event)
        for event in events
        if event["mta_node"] != SILENT or event["occurred_at"] < SILENT_SINCE
    ]


def events_between(start: datetime, end: datetime) -> Iterator[mail.Row]:
    """Yield the events of [start, end); a message may have begun three hours before."""
    for hour in mail.hours(start - timedelta(hours=3), end):
        for event in events_of_hour(hour):
            if start <= event["occurred_at"] < end:
                yield event | {"occurred_at": event["occurred_at"].isoformat()}


def incident_details(event: mail.Row) -> mail.Row:
    """Return Rspamd's additions to an outcome, or the refusal of the destination that refuses."""
    if event["direction"] == "outbound":
        if event["to_domain"] != REFUSING or event["occurred_at"] < REFUSING_SINCE:
            return {}
        if event["event_type"] != "delivered":
            return {}
        refusal = {"event_type": "deferred", "bounce_type": "soft", "bounce_message": REFUSAL}
        return refusal | {"status_code": 451, "status_message": REFUSAL, "delivery_time_ms": None}
    if event["event_type"] == "received":
        return {}
    is_spam = event["event_type"] != "delivered" or happens(0.07)
    symbols = [name for name in SPAM_SYMBOLS if is_spam and happens(0.45)]
    symbols += [name for name in HAM_SYMBOLS if happens(0.7)]
    causes = {"rejected": random.choice(REJECTIONS), "greylisted": "greylist"}  # noqa: S311
    action = "reject" if event["event_type"] == "rejected" else "add header" if is_spam else ""
    return {
        "spam_symbols": symbols,
        "spam_action": action or "no action",
        "bounce_category": causes.get(event["event_type"]),
    }


def happens(share: float) -> bool:
    return random.random() < share  # noqa: S311


def samples_of(node: str, at: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the samples that the agent of a node would send: kind and payload."""
    second = timedelta(seconds=1)
    every = samples.system_samples(CLUSTER.nodes, at - second, at, every_s=1, seed=SEED, wrong=CALM)
    system = next(sample.system for sample in every if sample.node_id == node)
    yield "system", read_golden("system", node, at) | {"system": msgspec.to_builtins(system)}
    if node in SENDING:
        yield "zonemta", mail_queue(node, at)
    for kind in PROGRAMS.get(node, ()):
        sample = read_golden(kind, node, at)
        readings = sample[kind]
        if kind == "agent":
            readings["uptime_s"] = int((at - STARTED + timedelta(days=60)).total_seconds())
            for source in readings["sources"]:
                source["succeeded_at"] = at.isoformat()
        else:
            for i, (name, value) in enumerate(readings.items()):
                if name.endswith("_total") and isinstance(value, int):
                    # Counters that grow, each at another pace.
                    readings[name] = int(at.timestamp()) % 10_000_000 * (1 + i % 4)
        yield kind, sample


def mail_queue(node: str, at: datetime) -> dict[str, Any]:
    sample = read_golden("zonemta", node, at)
    oldest = (at - timedelta(hours=5, minutes=12)).isoformat()
    sample["queue"] |= {"instance": node, "oldest_created_at": oldest}
    sample["queue"] |= QUEUES["refusing" if at > REFUSING_SINCE else "quiet"]
    return sample


def read_golden(kind: str, node: str, at: datetime) -> dict[str, Any]:
    path = ROOT / "tests" / "contract" / f"metrics_{kind}.json"
    payload: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return payload | {"node_id": node, "timestamp": at.isoformat()}
