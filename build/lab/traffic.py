"""Load: keep-alive connections, batches repeated until acknowledged, and a generator process."""

import gzip
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path

from build.lab.batches import Bodies
from build.stack.ports import LOOPBACK

INGEST_PATH = "/api/v1/events/ingest"
ACCEPTED = 202
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RECEIVE_BYTES = 65536
ANSWER_WITHIN_S = 60.0
RETRY_S = 0.1
#: After the load a batch is repeated for this long before the run fails.
FINISH_WITHIN_S = 300.0
#: Enough for what a network sees; the generator shares the machine.
GZIP_LEVEL = 1
SAMPLE_EVERY_S = 2.0


class Connection:
    """A keep-alive HTTP connection that POSTs JSON to a port or a Unix socket, for one thread.

    Speaks HTTP itself: what http.client costs per answer would be taken from the server, which
    shares the machine.
    """

    def __init__(
        self, address: int | Path, path: str, headers: Mapping[str, str], *, timeout_s: float
    ) -> None:
        self._address = (LOOPBACK, address) if isinstance(address, int) else str(address)
        self._timeout_s = timeout_s
        headers = {"Host": LOOPBACK, "Content-Type": "application/json", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = f"POST {path} HTTP/1.1\r\n{lines}Content-Length: ".encode()
        self._socket: socket.socket | None = None

    def send(self, body: bytes) -> socket.socket:
        """Send a request and return the socket it went to, a new one if there was none."""
        if self._socket is None:
            is_unix = isinstance(self._address, str)
            self._socket = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
            self._socket.settimeout(self._timeout_s)
            self._socket.connect(self._address)
            if not is_unix:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._head + b"%d\r\n\r\n" % len(body) + body)
        return self._socket

    def post(self, body: bytes) -> tuple[str, bytes]:
        """Return the status and the answer, or the error's name when the connection is lost."""
        try:
            return _receive(self.send(body))
        except OSError as error:
            self.close()
            return type(error).__name__, b""

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _receive(connection: socket.socket) -> tuple[str, bytes]:
    received = b""
    while data := connection.recv(RECEIVE_BYTES):
        received += data
        head, ended, answer = received.partition(b"\r\n\r\n")
        if ended:
            length = CONTENT_LENGTH.search(head)
            if length is None:
                message = f"an answer without Content-Length: {head!r}"
                raise ConnectionError(message)
            if len(answer) >= int(length[1]):
                return head[9:12].decode(), answer
    raise ConnectionResetError


def post_until_accepted(
    connection: Connection, body: bytes, answers: Counter[str], give_up: threading.Event
) -> bytes | None:
    """Repeat a body until it is acknowledged and return the answer; None when given up."""
    while True:
        status, answer = connection.post(body)
        answers[status] += 1
        if status == str(ACCEPTED):
            return answer
        if give_up.wait(RETRY_S):
            return None


@dataclass
class LoadResult:
    """Events acknowledged and refused, answers by status, and the generator's own CPU time."""

    acknowledged: int = 0
    refused_events: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    ack_ms: list[float] = field(default_factory=list)
    took_s: float = 0.0
    cpu_s: float = 0.0


@dataclass(frozen=True)
class Load:
    """Batches of `batch` events for `seconds`; `rate` in events/s, 0 for as fast as it goes.

    `keys`: of the nodes, with their names. The connections are numbered from `first_mark` on.
    Without `rate` (closed loop) each connection sends the next batch when the last is answered.
    With it (open loop) batches are due at random times whatever the server does, and the time of
    an answer counts from when its batch was due: a slow server cannot hide by receiving less.
    """

    port: int
    keys: Sequence[tuple[str, str]]
    connections: int
    first_mark: int
    batch: int
    seconds: float
    rate: float = 0.0
    gzip: bool = False

    def run(self, *, sample: Callable[[], object] = lambda: None) -> LoadResult:
        """Send from a process of its own, calling `sample` now and then."""
        with get_context("spawn").Pool(1) as pool:  # killed at the end of the block in any case
            sending = pool.apply_async(self.send)
            while not sending.ready():
                sending.wait(SAMPLE_EVERY_S)
                sample()
            return sending.get()

    def send(self) -> LoadResult:
        """Send for `seconds` and until the last batch is acknowledged, a thread a connection."""
        # Before the clock starts: making the templates of all bodies takes seconds.
        marks = range(self.first_mark, self.first_mark + self.connections)
        senders = [
            (key, Bodies(node, f"bench-{mark}", self.batch, mark))
            for mark, (node, key) in zip(marks, cycle(self.keys), strict=False)
        ]
        started, cpu = time.monotonic(), time.process_time()
        result, lock, give_up = LoadResult(), threading.Lock(), threading.Event()
        due, stop_at = self._draw_due(started), started + self.seconds

        def take_due() -> float:
            with lock:
                return next(due)

        def send_all(sender: tuple[str, Bodies]) -> Counter[str]:
            key, bodies = sender
            headers = {"Authorization": f"Bearer {key}"}
            if self.gzip:
                headers["Content-Encoding"] = "gzip"
            connection = Connection(self.port, INGEST_PATH, headers, timeout_s=ANSWER_WITHIN_S)
            answers: Counter[str] = Counter()
            while (due_at := take_due()) < stop_at:
                time.sleep(max(0.0, due_at - time.monotonic()))
                body = bodies.next()
                if self.gzip:
                    body = gzip.compress(body, GZIP_LEVEL)
                answer = post_until_accepted(connection, body, answers, give_up)
                if answer is None:
                    raise TimeoutError(f"a batch was not acknowledged: {answers}")
                result.ack_ms.append((time.monotonic() - due_at) * 1000)
                with lock:
                    result.acknowledged += self.batch
                    if b'"rejected":[]' not in answer:
                        result.refused_events += len(json.loads(answer)["rejected"])
            connection.close()
            return answers

        timer = threading.Timer(self.seconds + FINISH_WITHIN_S, give_up.set)
        timer.start()
        try:
            with ThreadPoolExecutor(self.connections) as pool:
                result.answers = sum(pool.map(send_all, senders), Counter())
        finally:
            timer.cancel()
        result.took_s = time.monotonic() - started
        result.cpu_s = time.process_time() - cpu
        return result

    def _draw_due(self, due_at: float) -> Iterator[float]:
        rng = random.Random(1)  # noqa: S311 (the same arrivals for every run)
        while True:
            yield due_at if self.rate else time.monotonic()
            due_at += rng.expovariate(self.rate / self.batch) if self.rate else 0.0
