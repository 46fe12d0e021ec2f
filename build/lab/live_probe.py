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
from collections import defaultdict
from datetime import UTC, datetime

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from build.lab.installation import Installation
from build.lab.traffic import ACCEPTED, Sender, connect_ingest, wait_until
from build.stack.ports import LOOPBACK

COUNTED_AS = "inbound:greylisted"
PROBES_PER_S = 10.0
#: A probe that is not seen within this counts as this long, and as unseen.
SEEN_WITHIN_S = 20.0
CONNECT_WITHIN_S = 10.0


class LiveProbe(Sender):
    """Posts probes until it is finished, and watches for them until it is closed."""

    def __init__(self, installation: Installation, *, session: str) -> None:
        super().__init__()
        web = installation.server
        self._node, key = min(installation.keys.items())
        self._connection = connect_ingest(web.web_port, key, timeout_s=CONNECT_WITHIN_S)
        self._exit = contextlib.ExitStack()
        self._socket = self._exit.enter_context(
            connect(
                f"ws://{LOOPBACK}:{web.live_port}/ws/live/",
                origin=Origin(web.url),
                additional_headers={"Cookie": f"sessionid={session}"},
                open_timeout=CONNECT_WITHIN_S,
                compression=None,
            )
        )
        self.posted = 0
        self._counts: dict[str, int] = {}
        #: By the second of the probe, on the monotonic clock.
        self._posted_at: dict[str, list[float]] = defaultdict(list)
        self._shown_at: dict[str, list[float]] = defaultdict(list)
        self._read_frame(self._socket.recv(timeout=CONNECT_WITHIN_S))
        self._shown_at.clear()  # the first frame holds what was counted before
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self.start()

    def run(self) -> None:
        """Post probes."""
        rng = random.Random(7)  # noqa: S311 (random times, the same in every run)
        while not self.stopping.wait(rng.expovariate(PROBES_PER_S)):
            now = datetime.now(UTC)
            event = {
                "event_id": str(uuid.uuid4()),
                "occurred_at": now.isoformat(timespec="milliseconds"),
                "event_type": "greylisted",
                "direction": "inbound",
                "mta_node": self._node,
            }
            posted_at = self._posted_at[str(int(now.timestamp()))]
            posted_at.append(time.monotonic())
            if self._connection.post(json.dumps(event).encode())[0] == str(ACCEPTED):
                self.posted += 1
            else:
                posted_at.pop()
        self._connection.close()

    def close(self) -> list[float]:
        """Wait for the last probes; return how long each took, in ms."""
        wait_until(lambda: self._count_shown() >= self.posted, within_s=SEEN_WITHIN_S, poll_s=0.02)
        self._exit.close()
        self._watcher.join(SEEN_WITHIN_S)
        pairs = [(s, self._shown_at[second]) for second, s in self._posted_at.items()]
        latency_ms = [(b - a) * 1000 for pair in pairs for a, b in zip(*pair, strict=False)]
        return latency_ms + [SEEN_WITHIN_S * 1000] * (self.posted - len(latency_ms))

    def _count_shown(self) -> int:
        return sum(map(len, self._shown_at.copy().values()))

    def _watch(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            for frame in self._socket:
                self._read_frame(frame)

    def _read_frame(self, frame: str | bytes) -> None:
        at = time.monotonic()
        for second, counts in json.loads(frame)["seconds"].items():
            new = counts.get(COUNTED_AS, 0) - self._counts.get(second, 0)
            if new > 0:
                self._counts[second] = counts[COUNTED_AS]
                self._shown_at[second] += [at] * new
