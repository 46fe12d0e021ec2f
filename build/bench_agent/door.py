"""Takes what the agent sends, as the server does, and notes its size and when it came."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EVENTS = "/api/v1/events/ingest"


@dataclass
class Door:
    """What came. `posts`: path and bytes on the wire of each POST; `samples`: the last of each
    path."""

    url: str = ""
    posts: list[tuple[str, int]] = field(default_factory=list)
    events: int = 0
    first_at_s: float | None = None
    samples: dict[str, list[Any]] = field(default_factory=dict)

    def forget(self) -> None:
        """Begin anew, for the next measurement."""
        self.posts.clear()
        self.samples.clear()
        self.events = 0
        self.first_at_s = None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    door: Door

    def do_POST(self) -> None:
        """Take a batch."""
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        door = self.door
        door.first_at_s = door.first_at_s or time.monotonic()
        door.posts.append((self.path, len(raw)))
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        body = json.loads(raw)
        if self.path == EVENTS:
            count = len(body["events"])
            door.events += count
        elif isinstance(body, list):
            count = len(body)
            door.samples.setdefault(self.path, []).extend(body)
        else:
            count = 1
        answer = b'{"queued":%d,"rejected":[]}' % count
        self.send_response(202)
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
def opened() -> Iterator[Door]:
    """Give a door on loopback that takes everything."""
    door = Door()
    handler = type("Handler", (_Handler,), {"door": door})
    with _Server(("127.0.0.1", 0), handler) as server:
        door.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield door
        server.shutdown()
        thread.join()
