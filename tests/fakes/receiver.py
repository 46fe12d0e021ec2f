"""Receiving end of notifications: an HTTP server on loopback whose answers a test scripts."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What an answer may be: a status, with headers and a body, or an act with the connection.
Answer = int | tuple[int, dict[str, str], bytes] | Callable[[Any], None]


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    answer: Any


@dataclass
class Receiver:
    """Takes requests; answers with the next of `answers`, and with what `choose` returns once they
    are used up."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    choose: Callable[[], Answer] = lambda: 200
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    """Run one on a free port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with receiver.lock:
                answer = receiver.answers.pop(0) if receiver.answers else receiver.choose()
                received = Received(self.command, self.path, headers, body, time.time(), answer)
                receiver.received.append(received)
            if callable(answer):
                self.close_connection = True
                answer(self)
                return
            status, extra, content = (answer, {}, b"ok") if isinstance(answer, int) else answer
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_GET = _take  # noqa: N815 (names of http.server)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
