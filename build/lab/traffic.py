"""Traffic of agents: bodies of POSTs, and connections that repeat a batch until acknowledged."""

import json
import os
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from build.deadline import Deadline
from build.stack.ports import LOOPBACK

INGEST_PATH = "/api/v1/events/ingest"
ACCEPTED = 202
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RECEIVE_BYTES = 65536
RETRY_S = 0.1
POLL_S = 0.5
TEMPLATES_PER_CONNECTION = 16
#: Names in a body, each of which a hostile one makes new: of domains, hosts and zones.
NAMES = re.compile(rb"(?:tenant|destination)-\d+|default")
FROM_DOMAINS = tuple(f"tenant-{n:02}.example" for n in range(20))
TO_DOMAINS = tuple(f"destination-{n:03}.example" for n in range(200))
#: A heavy tail: the first destinations get most of the mail.
TO_WEIGHTS = tuple(1 / (n + 1) for n in range(len(TO_DOMAINS)))
#: event type → how many of a hundred. None of them is inbound: the live probe's events are.
SHARES = {"sent": 45, "delivered": 44, "deferred": 8, "bounced": 3}
REPLIES = {
    "delivered": (250, "250 2.0.0 OK 1795255633 a640c23a62f3a-ab1f2 - gsmtp"),
    "deferred": (451, "451 4.3.0 Temporary system problem, try again later"),
    "bounced": (550, "550 5.1.1 The email account that you tried to reach does not exist"),
}


def build_event(
    rng: random.Random, kind: str, sender: str, recipient: str, **own: object
) -> dict[str, object]:
    """Return an event as ZoneMTA's plugin reports it, of a usual size, with `own` fields."""
    domain = recipient.rpartition("@")[2]
    event: dict[str, object] = {
        "event_type": kind,
        "direction": "outbound",
        "from_address": sender,
        "to_address": recipient,
        "queue_seq": f"{rng.randint(1, 4):03}",
        "zone": "default",
        "source": "zonemta_plugin",
        "certainty": "reported",
    }
    if kind != "sent":
        code, reply = REPLIES[kind]
        event |= {
            "sending_ip": f"192.0.2.{rng.randrange(1, 9)}",
            "mx_host": f"mx1.{domain}",
            "status_code": code,
            "status_message": reply,
            "attempt": 1,
        }
    if kind == "delivered":
        event |= {
            "delivery_time_ms": int(rng.lognormvariate(6.6, 0.9)),
            "queue_time_ms": rng.randrange(200, 4000),
            "message_size_bytes": int(rng.lognormvariate(9.9, 1.3)),
            "tls": "TLSv1.3",
        }
    elif kind in {"deferred", "bounced"}:
        event |= {
            "bounce_type": "soft" if kind == "deferred" else "hard",
            "bounce_category": "greylist" if kind == "deferred" else "recipient",
            "bounce_message": REPLIES[kind][1],
        }
    return event | own


def build_template(rng: random.Random, *, node: str, mark: int) -> bytes:
    """Return one event with places for, in order: 8 hex digits, number, time, number, number.

    The id is 32 random bits, then `mark` (which connection) and the number: random enough to
    spread over the unique index as real ids do, and never the same twice.
    """
    kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
    sender, to_domain = rng.choice(FROM_DOMAINS), rng.choices(TO_DOMAINS, TO_WEIGHTS)[0]
    places = {
        "event_id": f"%b-{mark:04x}-5a3c-8f2e-%012x",
        "occurred_at": "%b",
        "queue_id": "1a%016x",
        "message_id": f"<%x.{mark:04x}@{sender}>",
    }
    addresses = f"user{rng.randrange(40)}@{sender}", f"someone{rng.randrange(5000)}@{to_domain}"
    client_ip = f"198.51.100.{rng.randrange(1, 255)}"
    event = build_event(rng, kind, *addresses, mta_node=node, client_ip=client_ip)
    return json.dumps(places | event).encode()


@dataclass
class Bodies:
    """Endless numbered batches of one agent, `size` events each.

    A body is a template filled in with one formatting operation, about 1 µs an event: what making
    it costs is taken from the server, which shares the machine.
    """

    node: str
    epoch: str
    size: int
    mark: int
    made: int = 0
    is_hostile: bool = False

    def __post_init__(self) -> None:
        rng = random.Random(self.mark)  # noqa: S311 (the same load for every run)
        events = [
            build_template(rng, node=self.node, mark=self.mark)
            for _ in range(max(TEMPLATES_PER_CONNECTION, self.size))
        ]
        head = f'{{"epoch":"{self.epoch}","first_seq":%d,"events":['.encode()
        self._templates = [
            head + b",".join(rng.choices(events, k=self.size)) + b"]}"
            for _ in range(TEMPLATES_PER_CONNECTION)
        ]

    def next(self) -> bytes:
        first, self.made = self.made, self.made + self.size
        template = self._templates[first // self.size % len(self._templates)]
        at = datetime.now(UTC).isoformat(timespec="milliseconds").encode()
        spread = os.urandom(4 * self.size).hex().encode()
        values: list[int | bytes] = [first]
        for n in range(self.size):
            values += (spread[8 * n : 8 * n + 8], first + n, at, first + n, first + n)
        body = template % tuple(values)
        if not self.is_hostile:
            return body
        return NAMES.sub(lambda match: b"%b-%b" % (match[0], os.urandom(6).hex().encode()), body)


def wait_until(condition: Callable[[], bool], *, within_s: float, poll_s: float = POLL_S) -> None:
    """Return when it holds or time is over; what is compared then shows what is missing."""
    deadline = Deadline(within_s)
    while not condition() and not deadline.is_over:
        time.sleep(poll_s)


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
        self.ahead = timedelta()  # of the clock that its requests carry
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
        date = format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)
        self._socket.sendall(self._head + f"{len(body)}\r\nDate: {date}\r\n\r\n".encode() + body)
        return self._socket

    def post(self, body: bytes) -> tuple[str, bytes]:
        """Return the status and the answer, or the error's name when the connection is lost."""
        try:
            return _receive(self.send(body))
        except OSError as error:
            self.close()
            return type(error).__name__, b""

    def post_until_accepted(
        self, body: bytes, answers: Counter[str], give_up: threading.Event
    ) -> bytes | None:
        """Repeat a body until it is acknowledged and return the answer; None when given up."""
        while True:
            status, answer = self.post(body)
            answers[status] += 1
            if status == str(ACCEPTED):
                return answer
            if give_up.wait(RETRY_S):
                return None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def connect_ingest(port: int, key: str, *, timeout_s: float, **headers: str) -> Connection:
    headers = {"Authorization": f"Bearer {key}", **headers}
    return Connection(port, INGEST_PATH, headers, timeout_s=timeout_s)


def _receive(connection: socket.socket) -> tuple[str, bytes]:
    received = b""
    while data := connection.recv(RECEIVE_BYTES):
        received += data
        head, ended, answer = received.partition(b"\r\n\r\n")
        length = CONTENT_LENGTH.search(head) if ended else None
        if length and len(answer) >= int(length[1]):
            return head[9:12].decode(), answer
    raise ConnectionResetError


class Sender(threading.Thread):
    """Sends batches until `stopping`, each until it is acknowledged or all are given up."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[str] = Counter()
        self.stopping, self.give_up = threading.Event(), threading.Event()

    def finish(self, *, within_s: float) -> bool:
        """End when the batches under way are acknowledged; return whether they were in time."""
        self.stopping.set()
        self.join(within_s)
        is_in_time = not self.is_alive()
        self.give_up.set()
        return is_in_time
