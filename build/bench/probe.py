"""How long from the POST of an event until a browser's socket shows it.

A probe is an event of a kind the load has none of (inbound, greylisted). It is posted alone at a
random time, and the clock starts before its POST. A frame of the live socket carries absolute
counts by second; the first frame in which the count of the probe's own second has grown shows it.
Probes of one second are matched in the order in which they were posted. Sender, receiver and clock
are one process, the way is the whole one: door, inbox, writer, commit, publish, pump, socket.
"""

import contextlib
import http.client
import json
import random
import threading
import time
import uuid
from datetime import UTC, datetime

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from build.stack.ports import LOOPBACK

COUNTED_AS = "inbound:greylisted"
PROBES_PER_S = 10.0
#: A probe that is not seen within this counts as this long, and as unseen.
SEEN_WITHIN_S = 20.0
CONNECT_WITHIN_S = 10.0


class Probe:
    """Posts probes and watches for them until it is stopped."""

    def __init__(self, *, web_port: int, live_port: int, key: str, node: str, cookie: str) -> None:
        self._web_port, self._key, self._node = web_port, key, node
        self._closing = contextlib.ExitStack()  # closed by stop()
        self._socket = self._closing.enter_context(
            connect(
                f"ws://{LOOPBACK}:{live_port}/ws/live/",
                origin=Origin(f"http://{LOOPBACK}:{web_port}"),
                additional_headers={"Cookie": cookie},
                open_timeout=CONNECT_WITHIN_S,
                compression=None,
            )
        )
        self.latency_ms: list[float] = []
        self.posted = 0
        self.failed = 0
        self.frames = 0
        self._waiting: dict[str, list[float]] = {}
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._snapshot()
        self._threads = [
            threading.Thread(target=self._watch, name="probe-watch", daemon=True),
            threading.Thread(target=self._post, name="probe-post", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def unseen(self) -> int:
        """How many probes were posted and have not been seen."""
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def stop_posting(self) -> None:
        """Post no more; `posted` is final when this returns."""
        self._stop.set()
        self._threads[1].join(SEEN_WITHIN_S)

    def stop(self) -> None:
        """Post no more, wait for the last ones, then close."""
        self.stop_posting()
        deadline = time.monotonic() + SEEN_WITHIN_S
        while self.unseen and time.monotonic() < deadline:
            time.sleep(0.02)
        self._closing.close()
        self._threads[0].join(SEEN_WITHIN_S)
        self.latency_ms += [SEEN_WITHIN_S * 1000] * self.unseen

    def _snapshot(self) -> None:
        self._see(json.loads(self._socket.recv(timeout=CONNECT_WITHIN_S)), time.monotonic())

    def _watch(self) -> None:
        try:
            for text in self._socket:
                at = time.monotonic()
                self._see(json.loads(text), at)
        except ConnectionClosed:
            return

    def _see(self, frame: dict[str, dict[str, dict[str, int]]], at: float) -> None:
        with self._lock:
            self.frames += 1
            for second, counts in frame["seconds"].items():
                new = counts.get(COUNTED_AS, 0) - self._counts.get(second, 0)
                if new > 0:
                    self._counts[second] = counts[COUNTED_AS]
                    waiting = self._waiting.get(second, [])
                    self.latency_ms += [(at - started) * 1000 for started in waiting[:new]]
                    del waiting[:new]

    def _post(self) -> None:
        rng = random.Random(7)  # noqa: S311 (random times, the same in every run)
        connection = http.client.HTTPConnection(LOOPBACK, self._web_port, timeout=CONNECT_WITHIN_S)
        while not self._stop.wait(rng.expovariate(PROBES_PER_S)):
            now = datetime.now(UTC)
            body = json.dumps(
                {
                    "event_id": str(uuid.uuid4()),
                    "occurred_at": now.isoformat(timespec="milliseconds"),
                    "event_type": "greylisted",
                    "direction": "inbound",
                    "mta_node": self._node,
                }
            )
            with self._lock:
                second = str(int(now.timestamp()))
                self._waiting.setdefault(second, []).append(time.monotonic())
            try:
                connection.request(
                    "POST",
                    "/api/v1/events/ingest",
                    body,
                    {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
                )
                answer = connection.getresponse()
                answer.read()
                accepted = answer.status == http.HTTPStatus.ACCEPTED
            except (OSError, http.client.HTTPException):
                connection.close()
                accepted = False
            self.posted += accepted
            if not accepted:
                with self._lock:
                    self._waiting[second].pop()
                self.failed += 1
        connection.close()
