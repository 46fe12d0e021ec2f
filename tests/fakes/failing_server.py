"""A server on loopback that records what agents send, and fails in every way a server can; and the
verdict about what it received."""

import gzip
import json
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

from build.lab.traffic import INGEST_PATH
from build.stack.ports import LOOPBACK

FAILURES = ("refuse", "limit", "hang up before", "hang up after", "garbage")
STATUS = {"refuse": 500, "limit": 429}


@dataclass
class Received:
    """Everything that came, acknowledged or not; `failing_percent` of the POSTs fail."""

    chance: random.Random = field(default_factory=lambda: random.Random(0))
    failing_percent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Path and bytes on the wire of each POST; every sample by its path.
    posts: list[tuple[str, int]] = field(default_factory=list)
    samples: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    #: Event id by number for each epoch, in the order in which the numbers came first.
    numbers: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    dropped: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    #: The same number with two different events.
    contradictions: int = 0

    def record_batch(
        self, epoch: str, first_seq: int, ids: list[str], dropped: list[list[int]]
    ) -> None:
        with self.lock:
            for first, last in dropped:
                self.dropped[epoch].update(range(first, last + 1))
            for seq, event_id in enumerate(ids, start=first_seq):
                self.contradictions += self.numbers[epoch].setdefault(seq, event_id) != event_id

    def record_post(self, path: str, body: Any) -> int:
        """Record a decoded body; return how many events or samples it held."""
        if path == INGEST_PATH:
            ids = [event["event_id"] for event in body["events"]]
            self.record_batch(body["epoch"], body["first_seq"], ids, body.get("dropped", []))
            return len(ids)
        samples = body if isinstance(body, list) else [body]
        with self.lock:
            self.samples[path] += samples
        return len(samples)

    def choose_behaviour(self) -> str:
        with self.lock:
            fails = self.chance.randrange(100) < self.failing_percent
            return self.chance.choice(FAILURES) if fails else "accept"

    def copy_event_ids(self) -> set[str]:
        with self.lock:
            return {event for numbers in self.numbers.values() for event in numbers.values()}


@dataclass(frozen=True)
class AgentVerdict:
    """What the fake server received against what the plugins' POSTs were answered."""

    kills: int
    acknowledged: int
    missing: int  # acknowledged by the receiver and never at the server
    twice: int  # one event under two numbers
    holes: int  # numbers that never came and were not declared dropped
    out_of_order: int  # a number that came first after a higher one
    contradictions: int  # one number, two events
    seed: str

    @property
    def is_clean(self) -> bool:
        faults = (self.missing, self.twice, self.holes, self.out_of_order, self.contradictions)
        return not any(faults) and self.acknowledged > 0


def judge_agent(
    received: Received, acknowledged: Sequence[str], *, kills: int, seed: str
) -> AgentVerdict:
    """Compare the acknowledged event ids with what the server has. Pure."""
    counts = Counter(event for numbers in received.numbers.values() for event in numbers.values())
    return AgentVerdict(
        kills=kills,
        acknowledged=len(acknowledged),
        missing=sum(event not in counts for event in acknowledged),
        twice=sum(count > 1 for count in counts.values()),
        holes=sum(
            max(numbers) - len(numbers.keys() | received.dropped[epoch])
            for epoch, numbers in received.numbers.items()
        ),
        # A dictionary keeps the order in which the numbers came first.
        out_of_order=sum(
            after < before
            for numbers in received.numbers.values()
            for before, after in pairwise(numbers)
        ),
        contradictions=received.contradictions,
        seed=seed,
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received: Received

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.posts.append((self.path, len(raw)))
        behaviour = self.received.choose_behaviour()
        answer = b"<html>"
        if behaviour in ("accept", "hang up after"):
            if self.headers.get("Content-Encoding") == "gzip":
                raw = gzip.decompress(raw)
            count = self.received.record_post(self.path, json.loads(raw))
            answer = b'{"queued":%d,"rejected":[]}' % count
        if behaviour.startswith("hang up"):
            self.close_connection = True
            return
        self.send_response(STATUS.get(behaviour, 202))
        if behaviour == "limit":
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # the agent was killed and its connection broke


@contextmanager
def run_fake_server(received: Received) -> Iterator[str]:
    """Yield the address of a server that records into `received`."""
    handler = type("Handler", (_Handler,), {"received": received})
    with _Server((LOOPBACK, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()
        thread.join()
