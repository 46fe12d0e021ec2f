"""A server that takes batches, fails in every way a server can, and forgets nothing."""

import gzip
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EVENTS = "/api/v1/events/ingest"


@dataclass
class Taken:
    """What the door answered 202 to, or took and never said so."""

    chance: random.Random
    #: Of a hundred POSTs, this many fail in some way.
    failing_percent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Event id by number, for each epoch.
    numbered: dict[str, dict[int, str]] = field(default_factory=dict)
    #: Numbers in the order in which they came first, for each epoch.
    order: dict[str, list[int]] = field(default_factory=dict)
    dropped: dict[str, set[int]] = field(default_factory=dict)
    #: The same number with two different events.
    contradictions: int = 0
    repeated: int = 0

    def take(self, epoch: str, first_seq: int, ids: list[str], dropped: list[list[int]]) -> None:
        """Note a batch."""
        with self.lock:
            known = self.numbered.setdefault(epoch, {})
            order = self.order.setdefault(epoch, [])
            for first, last in dropped:
                self.dropped.setdefault(epoch, set()).update(range(first, last + 1))
            for seq, event_id in enumerate(ids, start=first_seq):
                if seq not in known:
                    known[seq] = event_id
                    order.append(seq)
                elif known[seq] == event_id:
                    self.repeated += 1
                else:
                    self.contradictions += 1

    def behaviour(self) -> str:
        """Return how the next POST is treated."""
        with self.lock:
            if self.chance.randrange(100) >= self.failing_percent:
                return "take"
            return self.chance.choice(
                ["refuse", "limit", "hang up before", "hang up after", "garbage"]
            )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    taken: Taken

    def do_POST(self) -> None:
        """Take a batch, or fail."""
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        how = self.taken.behaviour()
        if how == "hang up before":
            self.close_connection = True
            return
        if how in ("take", "hang up after"):
            if self.headers.get("Content-Encoding") == "gzip":
                raw = gzip.decompress(raw)
            body = json.loads(raw)
            if self.path == EVENTS:
                ids = [event["event_id"] for event in body["events"]]
                self.taken.take(body["epoch"], body["first_seq"], ids, body.get("dropped", []))
        if how == "hang up after":
            self.close_connection = True
            return
        status, headers = {"refuse": (500, {}), "limit": (429, {"Retry-After": "1"})}.get(
            how, (202, {})
        )
        answer = b"<html>" if how == "garbage" else b'{"queued":1,"rejected":[]}'
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """An agent that was killed broke its connection: nothing to tell."""


@contextmanager
def opened(taken: Taken) -> Iterator[str]:
    """Give the address of a door on loopback."""
    handler = type("Handler", (_Handler,), {"taken": taken})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
