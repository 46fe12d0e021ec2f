"""A plugin that sends a batch again until it is answered, whatever happens to the agent."""

import http.client
import json
import random
import socket
import threading
from pathlib import Path

from build.bench_agent.plugins import event

TIMEOUT_S = 5.0
RETRY_S = 0.05
ACCEPTED = 202
MOST_EVENTS = 50


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("agent", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


class Sender:
    """One process of a mail program. `acknowledged`: ids of events answered with 202, in order."""

    def __init__(self, path: Path, *, seed: str, pause_s: float) -> None:
        self.acknowledged: list[str] = []
        self._path = path
        self._pause_s = pause_s
        self._chance = random.Random(seed)  # noqa: S311 (reproducible)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self, *, within_s: float) -> bool:
        """End when the batch under way is answered; return whether it was in time."""
        self._stop.set()
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        connection = _Connection(self._path)
        while not self._stop.is_set():
            events = [event(self._chance) for _ in range(self._chance.randint(1, MOST_EVENTS))]
            body = json.dumps(events).encode()
            while not self._send(connection, body):
                connection.close()
                # Never given up: what is not answered has not happened.
                self._stop.wait(RETRY_S)
            self.acknowledged += [str(each["event_id"]) for each in events]
            self._stop.wait(self._chance.random() * self._pause_s)
        connection.close()

    @staticmethod
    def _send(connection: _Connection, body: bytes) -> bool:
        try:
            connection.request(
                "POST", "/v1/events", body=body, headers={"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
        return answer.status == ACCEPTED
