"""A server on loopback that answers an agent as the ingest endpoint does."""

import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "mlrd_test_key"


class FakeServer(ThreadingHTTPServer):
    """Gives prepared answers in turn, then accepts everything; records every request."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers: list[Any] = []
        self.requests: list[Any] = []
        self.judge: Any = None  # status by path, when it is set

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def taken(self) -> list[int]:
        """The sequence numbers of accepted events, in order."""
        numbers: list[int] = []
        for path, _, body, status in self.requests:
            if status == 202 and path == "/api/v1/events/ingest":
                numbers += range(body["first_seq"], body["first_seq"] + len(body["events"]))
        return numbers

    def bodies(self, path: str) -> list[Any]:
        """Return the decoded bodies that were sent to a path."""
        return [body for where, _, body, _ in self.requests if where == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeServer

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        body = json.loads(raw)
        status: Any = 202
        content: Any = None
        headers: dict[str, str] = {}
        if self.server.answers:
            status, content, headers = self.server.answers.pop(0)
        elif self.server.judge:
            status = self.server.judge(self.path)
        if callable(status):
            status, content = status(body)
        self.server.requests.append((self.path, dict(self.headers), body, status))
        count = len(body.get("events", [body]) if isinstance(body, dict) else body)
        text = json.dumps(content or {"queued": count, "rejected": []}).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(text))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def running_server(port: int = 0) -> Iterator[FakeServer]:
    """Start a server that accepts connections; stop it afterwards."""
    with FakeServer(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
