"""The load generator, a process of its own: keep-alive connections, one batch in flight on each.

Reads its orders as JSON on standard input, writes what it saw as JSON on standard output. Closed
loop (no `rate`): each connection sends the next batch when the last one was answered. Open loop:
batches are due at random times at `rate` events a second whatever the server does, and the time of
an answer counts from when its batch was due, so that a slow server cannot hide by being asked less.
A batch that was not acknowledged is sent again until it is.
"""

import contextlib
import gzip
import json
import random
import select
import socket
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import asdict, dataclass, field
from time import monotonic, process_time

from build.bench.events import CONTENT_TYPE, Bodies
from build.stack.paths import ROOT
from build.stack.ports import LOOPBACK

PATH = "/api/v1/events/ingest"
GZIP_HEADER = "Content-Encoding: gzip\r\n"
GZIP_LEVEL = 1  # enough to be what a network sees; the generator shares the machine

RECEIVE_BYTES = 65536
ACCEPTED = 202
#: Answers that mean "later": too fast, inbox full or away, and what a restart makes.
AGAIN = frozenset({429, 500, 502, 503, 504})
RETRY_S = 0.1
ANSWER_WITHIN_S = 60.0
FINISH_WITHIN_S = 300.0


@dataclass(frozen=True)
class Agent:
    """Who sends on one connection. `mark` is its number, of its own within one table."""

    node: str
    key: str
    epoch: str
    mark: int


@dataclass(frozen=True)
class Orders:
    """What to send: batches of `batch` events for `seconds`; `rate` in events/s, 0 for all.

    `gzip`: packed, as agents do. Packing is the generator's work, on the same machine.
    """

    port: int
    agents: list[Agent]
    batch: int
    seconds: float
    rate: float = 0.0
    seed: int = 1
    gzip: bool = False


@dataclass
class Seen:
    """What came of it. Times in ms; `cpu_s` is what the generator itself used."""

    acknowledged: int = 0
    sent_again: int = 0
    refused_events: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    ack_ms: list[float] = field(default_factory=list)
    took_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def cpu_percent(self) -> float:
        """The share of one core that the generator took."""
        return 100 * self.cpu_s / self.took_s if self.took_s else 0.0


class Connection:
    """One keep-alive connection of one agent, and the batch it has in flight."""

    def __init__(self, orders: Orders, agent: Agent) -> None:
        self._port = orders.port
        self._gzip = orders.gzip
        self.bodies = Bodies(node=agent.node, epoch=agent.epoch, size=orders.batch, mark=agent.mark)
        self._head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: Bearer {agent.key}\r\n"
            f"Content-Type: {CONTENT_TYPE}\r\n{GZIP_HEADER if orders.gzip else ''}Content-Length: "
        ).encode()
        self.socket: socket.socket | None = None
        self.busy = False
        self.due_at = 0.0
        self.retry_at = 0.0
        self._sent_at = 0.0
        self._request = b""
        self._unsent = memoryview(b"")
        self._received = b""

    def begin(self, due_at: float) -> None:
        """Take the next batch, which was due at `due_at`."""
        body = self.bodies.next()
        if self._gzip:
            body = gzip.compress(body, GZIP_LEVEL)
        self._request = self._head + b"%d\r\n\r\n" % len(body) + body
        self.busy, self.due_at = True, due_at

    def send(self) -> None:
        """Send the batch from its first byte, on a new connection when there is none."""
        if self.socket is None:
            self.socket = socket.create_connection((LOOPBACK, self._port), timeout=ANSWER_WITHIN_S)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.setblocking(False)
        self._sent_at, self.retry_at = monotonic(), 0.0
        self._unsent, self._received = memoryview(self._request), b""
        self.push()

    def push(self) -> bool:
        """Write what the kernel takes; return whether all of it is written."""
        if self.socket is not None and self._unsent:
            with contextlib.suppress(BlockingIOError):
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
        return not self._unsent

    def pull(self) -> tuple[int, bytes] | None:
        """Read; return status and body once the answer is complete. Raises OSError."""
        if self.socket is None:
            return None
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return None
        if not data:
            raise ConnectionResetError
        self._received += data
        head, ended, body = self._received.partition(b"\r\n\r\n")
        if not ended:
            return None
        lengths = [
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ]
        if not lengths:
            message = f"an answer without Content-Length: {head!r}"
            raise ValueError(message)
        (length,) = lengths
        return (int(head[9:12]), body) if len(body) >= length else None

    def is_late(self, now: float) -> bool:
        """Return whether its answer has not come in time."""
        return self.busy and not self.retry_at and now - self._sent_at > ANSWER_WITHIN_S

    def close(self) -> None:
        """Drop the connection; the batch stays."""
        if self.socket is not None:
            self.socket.close()
        self.socket = None


class Generator:
    """Drives all connections from one thread."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.seen = Seen()
        self._poll = select.epoll()
        self._connections = [Connection(orders, agent) for agent in orders.agents]
        self._by_number: dict[int, Connection] = {}
        self._idle = deque(self._connections)
        self._rng = random.Random(orders.seed)  # noqa: S311 (the same arrivals for every run)

    def run(self) -> Seen:
        """Send for `seconds`, then until the last batch is acknowledged."""
        started, cpu = monotonic(), process_time()
        stop_at = started + self.orders.seconds
        next_due = started
        while True:
            now = monotonic()
            if now < stop_at:
                next_due = self._begin(now, next_due)
            elif not any(each.busy for each in self._connections):
                break
            elif now > stop_at + FINISH_WITHIN_S:
                message = f"batches were not acknowledged within {FINISH_WITHIN_S:.0f} s"
                raise TimeoutError(message)
            self._wait(now, min(next_due, stop_at) if now < stop_at else now + RETRY_S)
        self.seen.took_s, self.seen.cpu_s = monotonic() - started, process_time() - cpu
        return self.seen

    def _begin(self, now: float, next_due: float) -> float:
        """Start what is due; return when the next batch is."""
        while self._idle and next_due <= now:
            connection = self._idle.popleft()
            connection.begin(next_due if self.orders.rate else monotonic())
            self._send(connection)
            if self.orders.rate:
                next_due += self._rng.expovariate(self.orders.rate / self.orders.batch)
        return next_due

    def _wait(self, now: float, until: float) -> None:
        # With no connection free there is nothing to start: only an answer ends the wait.
        timeout_s = max(0.0, until - now) if self._idle else RETRY_S
        for number, events in self._poll.poll(min(timeout_s, RETRY_S)):
            connection = self._by_number[number]
            if events & select.EPOLLOUT and connection.push():
                self._poll.modify(number, select.EPOLLIN)
            if events & ~select.EPOLLOUT:
                self._answered(connection)
        now = monotonic()
        for connection in self._connections:
            if connection.is_late(now):
                self._again(connection, "no answer")
            elif connection.retry_at and connection.retry_at <= now:
                self._send(connection)

    def _answered(self, connection: Connection) -> None:
        try:
            answer = connection.pull()
        except OSError:
            self._again(connection, "connection lost")
            return
        if answer is None:
            return
        status, body = answer
        if status == ACCEPTED:
            self.seen.ack_ms.append((monotonic() - connection.due_at) * 1000)
            self.seen.acknowledged += self.orders.batch
            if b'"rejected":[]' not in body:
                self.seen.refused_events += len(json.loads(body)["rejected"])
            connection.busy = False
            self._idle.append(connection)
            self._count("202")
        elif status in AGAIN:
            self._again(connection, str(status), keep=True)
        else:
            message = f"the server answered {status}: {body[:300]!r}"
            raise ValueError(message)

    def _send(self, connection: Connection) -> None:
        new = connection.socket is None
        try:
            connection.send()
        except OSError:
            self._again(connection, "no connection")
            return
        if connection.socket is None:
            return
        number = connection.socket.fileno()
        wanted = select.EPOLLIN if connection.push() else select.EPOLLIN | select.EPOLLOUT
        if new:
            self._by_number[number] = connection
            self._poll.register(number, wanted)
        else:
            self._poll.modify(number, wanted)

    def _again(self, connection: Connection, why: str, *, keep: bool = False) -> None:
        self._count(why)
        self.seen.sent_again += 1
        connection.retry_at = monotonic() + RETRY_S
        if not keep and connection.socket is not None:
            self._poll.unregister(connection.socket.fileno())
            connection.close()

    def _count(self, answer: str) -> None:
        self.seen.answers[answer] = self.seen.answers.get(answer, 0) + 1


class Load:
    """A generator that runs beside us."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        # A pipe would fill before we read it. Closed by stop().
        self._answer = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "build.bench.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=self._answer,
        )
        assert self._process.stdin is not None  # noqa: S101 (asked for two lines above)
        self._process.stdin.write(json.dumps(asdict(orders)).encode())
        self._process.stdin.close()

    @property
    def ended(self) -> bool:
        """Whether it has sent all and heard of all."""
        return self._process.poll() is not None

    def result(self) -> Seen:
        """Wait for the end and return what it saw. Raises RuntimeError when it failed."""
        within_s = self._orders.seconds + FINISH_WITHIN_S + ANSWER_WITHIN_S
        code = self._process.wait(timeout=within_s)
        if code != 0:
            message = f"the load generator ended with code {code}"
            raise RuntimeError(message)
        self._answer.seek(0)
        return Seen(**json.load(self._answer))

    def stop(self) -> None:
        """End it if it runs still."""
        self._process.kill()
        self._process.wait()
        self._answer.close()


def main() -> int:
    """Read orders, send, tell."""
    asked = json.load(sys.stdin)
    asked["agents"] = [Agent(**each) for each in asked["agents"]]
    seen = Generator(Orders(**asked)).run()
    print(json.dumps(asdict(seen)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
