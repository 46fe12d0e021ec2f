"""What the plugins of a busy node send: batches over kept connections, at a steady rate."""

import http.client
import json
import random
import socket
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# As the plugins are set by default: a POST carries so many events.
BATCH = 50
# Processes of a mail program, each with its connection.
PROCESSES = 4
TIMEOUT_S = 10.0
ACCEPTED = 202


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("agent", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


def event(chance: random.Random) -> dict[str, Any]:
    """Return one delivered event as ZoneMTA's plugin reports it, of a usual size."""
    queue_id = f"{chance.getrandbits(72):018x}"
    sender = f"user{chance.randrange(5000)}@corp{chance.randrange(40)}.example"
    domain = f"dest{int(chance.paretovariate(1.2)) % 3000}.example"
    return {
        "event_id": str(uuid.UUID(int=chance.getrandbits(128), version=5)),
        "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event_type": "delivered",
        "direction": "outbound",
        "message_id": f"<{chance.getrandbits(96):024x}@{sender.rpartition('@')[2]}>",
        "queue_id": queue_id,
        "queue_seq": f"{chance.randrange(1, 4):03d}",
        "from_address": sender,
        "to_address": f"person{chance.randrange(10**6)}@{domain}",
        "to_domain": domain,
        "sending_ip": f"192.0.2.{chance.randrange(1, 30)}",
        "mx_host": f"mx{chance.randrange(1, 5)}.{domain}",
        "status_code": 250,
        "status_message": f"250 2.0.0 Ok: queued as {chance.getrandbits(44):011X}",
        "delivery_time_ms": chance.randrange(80, 3000),
        "queue_time_ms": chance.randrange(100, 90000),
        "total_time_ms": chance.randrange(200, 95000),
        "attempt": 1,
        "message_size_bytes": chance.randrange(900, 400000),
        "tls": "TLSv1.3",
        "zone": "default",
        "auth_user": sender.partition("@")[0],
        "source": "zonemta_plugin",
        "certainty": "reported",
    }


class Load:
    """Sends `rate` events a second until stopped; what was answered 202 is counted."""

    def __init__(self, path: Path, *, rate: float, seed: int = 1) -> None:
        self.acknowledged = 0
        self.failures = 0
        self.event_bytes = 0
        self._path = path
        self._every_s = BATCH * PROCESSES / rate
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._send, args=(number,), daemon=True)
            for number in range(PROCESSES)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait for what is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_S)

    def _send(self, number: int) -> None:
        chance = random.Random(self._seed * 1000 + number)  # noqa: S311 (a benchmark)
        connection = _Connection(self._path)
        due_s = time.monotonic() + self._every_s * number / PROCESSES
        headers = {
            "Content-Type": "application/json",
            "X-Mallard-Process": f"bench/{number}",
            "X-Mallard-Dropped": "0",
        }
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            due_s += self._every_s
            body = json.dumps([event(chance) for _ in range(BATCH)], separators=(",", ":"))
            try:
                connection.request("POST", "/v1/events", body=body.encode(), headers=headers)
                answer = connection.getresponse()
                answer.read()
                taken = answer.status == ACCEPTED
            except OSError:
                connection.close()
                taken = False
            with self._lock:
                if taken:
                    self.acknowledged += BATCH
                    self.event_bytes = len(body) // BATCH
                else:
                    self.failures += 1
        connection.close()
