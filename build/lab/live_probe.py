"""Time from the POST of an event until a browser's socket shows it.

A probe is an event of a kind that the load has none of (inbound, greylisted), posted alone at a
random time; its clock starts before the POST. Frames of the live socket carry absolute counts by
second; the first in which the count of the probe's own second has grown shows it. Probes of one
second are matched in the order of their POSTs. Sender, receiver and clock are one process; between
them lie ingest endpoint, inbox, writer, commit, publish, pump and socket.
"""

import contextlib
import json
import random
import threading
import time
import uuid
from datetime import UTC, datetime

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from build.lab.delivery import wait_until
from build.lab.installation import Installation
from build.lab.traffic import ACCEPTED, INGEST_PATH, Connection
from build.stack.ports import LOOPBACK

COUNTED_AS = "inbound:greylisted"
PROBES_PER_S = 10.0
#: A probe that is not seen within this counts as this long, and as unseen.
SEEN_WITHIN_S = 20.0
CONNECT_WITHIN_S = 10.0


class LiveProbe:
    """Posts probes and watches for them until it is stopped."""

    def __init__(self, installation: Installation, *, session: str) -> None:
        web = installation.server
        self._node, key = min(installation.keys.items())
        headers = {"Authorization": f"Bearer {key}"}
        self._connection = Connection(
            web.web_port, INGEST_PATH, headers, timeout_s=CONNECT_WITHIN_S
        )
        connecting = connect(
            f"ws://{LOOPBACK}:{web.live_port}/ws/live/",
            origin=Origin(web.url),
            additional_headers={"Cookie": f"sessionid={session}"},
            open_timeout=CONNECT_WITHIN_S,
            compression=None,
        )
        self._closing = contextlib.ExitStack()  # closed by stop()
        self._socket = self._closing.enter_context(connecting)
        self.latency_ms: list[float] = []
        self.posted = 0
        self._waiting: dict[str, list[float]] = {}
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        # The first frame holds what was counted before.
        self._read_frame(self._socket.recv(timeout=CONNECT_WITHIN_S), time.monotonic())
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._poster = threading.Thread(target=self._post, daemon=True)
        self._watcher.start()
        self._poster.start()

    def stop_posting(self) -> None:
        """Post no more; `posted` is final then."""
        self._stop.set()
        self._poster.join(SEEN_WITHIN_S)

    def stop(self) -> None:
        """Post no more, wait for the last ones, then close."""
        self.stop_posting()
        wait_until(lambda: not self._count_unseen(), within_s=SEEN_WITHIN_S, poll_s=0.02)
        self._closing.close()
        self._watcher.join(SEEN_WITHIN_S)
        self.latency_ms += [SEEN_WITHIN_S * 1000] * self._count_unseen()

    def _count_unseen(self) -> int:
        with self._lock:
            return sum(map(len, self._waiting.values()))

    def _watch(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            for text in self._socket:
                self._read_frame(text, time.monotonic())

    def _read_frame(self, frame: str | bytes, at: float) -> None:
        with self._lock:
            for second, counts in json.loads(frame)["seconds"].items():
                new = counts.get(COUNTED_AS, 0) - self._counts.get(second, 0)
                if new > 0:
                    self._counts[second] = counts[COUNTED_AS]
                    waiting = self._waiting.get(second, [])
                    self.latency_ms += [(at - started) * 1000 for started in waiting[:new]]
                    del waiting[:new]

    def _post(self) -> None:
        rng = random.Random(7)  # noqa: S311 (random times, the same in every run)
        while not self._stop.wait(rng.expovariate(PROBES_PER_S)):
            now = datetime.now(UTC)
            event = {
                "event_id": str(uuid.uuid4()),
                "occurred_at": now.isoformat(timespec="milliseconds"),
                "event_type": "greylisted",
                "direction": "inbound",
                "mta_node": self._node,
            }
            second = str(int(now.timestamp()))
            with self._lock:
                self._waiting.setdefault(second, []).append(time.monotonic())
            status, _ = self._connection.post(json.dumps(event).encode())
            if status == str(ACCEPTED):
                self.posted += 1
            else:
                with self._lock:
                    self._waiting[second].pop()
        self._connection.close()
