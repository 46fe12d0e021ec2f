"""An invented cluster for the pictures: generated history, then mail and samples as they arrive.

One node stops reporting and one destination refuses mail: the pages are made to show these.
"""

import json
import math
import random
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import psycopg2
from redis import Redis

from build.stack import server
from build.stack.errors import StackError
from build.stack.paths import ROOT
from server.demo import mail

NODES, SEED, EVENTS_PER_HOUR, HISTORY_HOURS = 6, 1, 16_000, 50
CLUSTER = mail.cluster(NODES)
SENDING, RECEIVING = CLUSTER.outbound, CLUSTER.inbound[0]
STARTED = datetime.now(UTC)
SECOND = timedelta(seconds=1)
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
BATCH_EVENTS, BATCH_SAMPLES = 2_000, 100
#: When ZoneMTA of the first node was upgraded and its host started; the other hosts' start.
UPGRADED, BOOTED = STARTED - timedelta(hours=7.7), STARTED - timedelta(hours=15.2)
OTHERS_BOOTED = STARTED - timedelta(days=60)
REJECTIONS = ("rspamd", "rspamd", "rspamd", "dnsbl", "rcpt_to.qmail_deliverable")
HAM_SYMBOLS = ("MIME_GOOD", "R_SPF_ALLOW", "R_DKIM_ALLOW", "DMARC_POLICY_ALLOW")
SPAM_SYMBOLS = (
    *("BAYES_SPAM", "R_SPF_FAIL", "DBL_SPAM", "PHISHING", "RBL_SPAMHAUS_SBL", "FORGED_SENDER"),
)
#: The queue: domain, messages by age, reply. The first only while that destination refuses.
WAITING: tuple[tuple[str, tuple[int, ...], str], ...] = (
    (REFUSING, (4, 31, 122, 41, 0, 0, 0), REFUSAL),
    ("gmail.example", (6, 9, 5, 3, 2, 1, 0), "421 4.7.0 Try later"),
    ("yahoo.example", (4, 5, 3, 2, 1, 1, 0), "421 4.7.0 Try later"),
    ("web.example", (2, 3, 2, 1, 1, 0, 0), "421 4.7.0 Try later"),
    ("university.example", (1, 2, 1, 1, 0, 0, 0), "421 4.7.0 Try later"),
)
STORED_WITHIN_SECONDS = 60
#: The live process looks for problems every five seconds.
NOTICED_WITHIN_SECONDS = 6
REQUEST_TIMEOUT_SECONDS = 5


class Cluster:
    """The invented cluster as the API of one site knows it."""

    def __init__(self, site: server.Site) -> None:
        self._site = site
        self._url = f"http://127.0.0.1:{site.web_port}/api/v1"
        self._key = site.manage("create_api_key", "--name", "pictures").strip()

    def fill(self) -> None:
        """Store the history and the newest hour; return when pages show it. Raise StackError."""
        options = {
            "--hours": HISTORY_HOURS,
            "--events-per-hour": EVENTS_PER_HOUR,
            "--nodes": NODES,
            "--samples-every-s": 60,
            "--seed": SEED,
            "--until": (STARTED - STREAMED).isoformat(),
        }
        self._site.manage("fill", *(str(word) for option in options.items() for word in option))
        for node in CLUSTER.nodes:
            self._post("nodes", about(node))
        upgrade = "UPDATE nodes_change SET at = %s WHERE kind = 'version' AND before <> ''"
        execute(self._site.database_url, upgrade, UPGRADED)
        # Or the hour until the stream begins would be a silence of all nodes.
        set_last_seen(self._site.database_url, datetime.now(UTC))
        self._post_past_samples()
        self._post_samples()
        events = list(events_between(STARTED - STREAMED, datetime.now(UTC)))
        for start in range(0, len(events), BATCH_EVENTS):
            self._post("events/ingest", events[start : start + BATCH_EVENTS])
        self._wait_until_stored()

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Send the events of each second, and samples, while the block runs."""
        stop = threading.Event()

        def send() -> None:
            sent_until = datetime.now(UTC)
            while not stop.wait(1.0):
                now = datetime.now(UTC)
                self._post("events/ingest", list(events_between(sent_until, now)))
                sent_until = now
                self._post_samples()

        thread = threading.Thread(target=send, name="stream")
        thread.start()
        set_last_seen(self._site.database_url, SILENT_SINCE, only=SILENT)
        try:
            yield
        finally:
            stop.set()
            thread.join(REQUEST_TIMEOUT_SECONDS)

    def _post_samples(self) -> None:
        now = datetime.now(UTC)
        for node in CLUSTER.nodes:
            if node != SILENT:
                for kind, sample in samples_of(node, now):
                    self._post(f"metrics/{kind}", sample)

    def _post_past_samples(self) -> None:
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for step in range(int(SAMPLES_FOR / SAMPLES_EVERY), 0, -1):
            for node in PROGRAMS:
                for kind, sample in samples_of(node, STARTED - step * SAMPLES_EVERY):
                    by_kind.setdefault(kind, []).append(sample)
        # The last report of the silent node, or its share of the queue would be stranded.
        by_kind["zonemta"].append(mail_queue(SILENT, SILENT_SINCE))
        for kind, samples in by_kind.items():
            for start in range(0, len(samples), BATCH_SAMPLES):
                self._post(f"metrics/{kind}", samples[start : start + BATCH_SAMPLES])

    def _post(self, path: str, body: Any) -> None:
        request = urllib.request.Request(  # noqa: S310 (our own http address)
            f"{self._url}/{path}",
            data=json.dumps(body, default=str).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
        )
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS):  # noqa: S310
            pass

    def _wait_until_stored(self) -> None:
        deadline = time.monotonic() + STORED_WITHIN_SECONDS
        url = f"{self._site.redis_url}/0"
        with Redis.from_url(url, socket_timeout=REQUEST_TIMEOUT_SECONDS) as inbox:
            while any(map(inbox.xlen, (server.EVENTS_STREAM, server.SAMPLES_STREAM))):
                if time.monotonic() > deadline:
                    raise StackError("the invented mail was not stored in time")
                time.sleep(0.1)
        time.sleep(NOTICED_WITHIN_SECONDS)


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
    """Return True in this share of calls."""
    return random.random() < share  # noqa: S311


def about(node: str) -> dict[str, Any]:
    """Return a node's registration. ZoneMTA of the first is newer than in the history."""
    place = CLUSTER.nodes.index(node)
    role, versions = "haraka-inbound", {"haraka": "3.1.1"}
    if node in SENDING:
        role, versions = "zonemta-outbound", {"zonemta": "3.10.0" if place else "3.11.0"}
    return {
        "node_id": node,
        "hostname": f"{node}.example",
        "role": role,
        "addresses": [f"192.0.2.{10 + place}"],
        "agent_version": "0.1.0",
        "versions": versions,
    }


def samples_of(node: str, at: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the samples that the agent of a node would send: kind and payload."""
    place = CLUSTER.nodes.index(node)
    system = read_golden("system", node, at)
    day = math.sin((at.timestamp() / 3600 - 9) * math.pi / 12)
    wave = 5 * day + (at.timestamp() / 300 + place) % 3
    booted = BOOTED if node == SENDING[0] and at > BOOTED else OTHERS_BOOTED
    system["system"] |= {
        "cpu_percent": 14 + 3 * place + wave,
        "ram_used_percent": 38 + 4 * place + day,
        "load_avg": [round(0.5 + wave / 20, 2), 0.6, 0.55],
        "uptime_seconds": int((at - booted).total_seconds()),
    }
    for process in system["processes"].values():
        if process["started_at"]:
            process["started_at"] = booted.isoformat()
    yield "system", system
    if node in SENDING:
        yield "zonemta", mail_queue(node, at)
    for kind in PROGRAMS.get(node, ()):
        sample = read_golden(kind, node, at)
        readings = sample[kind]
        if kind == "agent":
            readings["uptime_s"] = int((at - OTHERS_BOOTED).total_seconds())
            for source in readings["sources"]:
                source["succeeded_at"] = at.isoformat()
            yield kind, sample
            continue
        for i, (name, value) in enumerate(readings.items()):
            if name.endswith("_total") and isinstance(value, int):
                # Counters that grow, each at another pace.
                readings[name] = int(at.timestamp()) % 10_000_000 * (1 + i % 4)
        yield kind, sample


def mail_queue(node: str, at: datetime) -> dict[str, Any]:
    """Return a sample of ZoneMTA with the queue that all nodes share."""
    sample = read_golden("zonemta", node, at)
    waiting = [entry for entry in WAITING if entry[0] != REFUSING or at > REFUSING_SINCE]
    ages = [sum(counts[i] for _, counts, _ in waiting) for i in range(7)]
    total, deferred = sum(ages), sum(ages[1:])
    reasons: dict[str, int] = {}
    for _, counts, reply in waiting:
        reasons[reply] = reasons.get(reply, 0) + sum(counts[1:])
    each = total // len(SENDING)
    shares = dict.fromkeys(SENDING, each) | {"no": total - each * len(SENDING)}
    sample["queue"] |= {
        "active_count": ages[0],
        "deferred_count": deferred,
        "zones": [{"zone": "default", "active_count": ages[0], "deferred_count": deferred}],
        "instance": node,
        "oldest_created_at": (at - timedelta(hours=5, minutes=12)).isoformat(),
        "ages": [
            {"up_to_s": old["up_to_s"], "count": count}
            for old, count in zip(sample["queue"]["ages"], ages, strict=True)
        ],
        "shares": [{"instance": name, "count": count} for name, count in shares.items()],
        "reasons": [{"response": reply, "count": count} for reply, count in reasons.items()],
        "reasons_of_count": deferred,
        "destinations": [
            {"domain": domain, "counts": list(counts), "replies": [reply]}
            for domain, counts, reply in waiting
        ],
        "other_destinations": {"domains_count": 0, "counts": [0] * 7},
        "destinations_of_count": total,
    }
    return sample


def read_golden(kind: str, node: str, at: datetime) -> dict[str, Any]:
    """Return a payload of the contract as of this node and moment."""
    path = ROOT / "tests" / "contract" / f"metrics_{kind}.json"
    payload: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return payload | {"node_id": node, "timestamp": at.isoformat()}


def set_last_seen(database_url: str, at: datetime, *, only: str = "") -> None:
    """Make the last sign of life of every node, or of `only` one, lie at `at`."""
    statement = "UPDATE nodes_node SET last_seen_at = %s WHERE %s IN ('', name)"
    execute(database_url, statement, at, only)


def execute(database_url: str, statement: str, *arguments: Any) -> None:
    """Change the database behind the server's back."""
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, arguments)
    connection.close()
