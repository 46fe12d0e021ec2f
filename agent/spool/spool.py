"""The spool's face to the rest of the agent."""

import shutil
from functools import partial
from pathlib import Path

from agent import clock
from agent.config import Events as EventSettings
from agent.config import Spool as SpoolSettings
from agent.errors import SpoolError
from agent.samples import SpoolHealth
from agent.spool.change_stream_state import ChangeStreamState
from agent.spool.database import Database
from agent.spool.deduplication import SeenKeys
from agent.spool.intake import Accepted, Intake
from agent.spool.queue import Queue
from agent.spool.schema import FILE_NAME, SOURCES
from agent.spool.summary import read_health
from agent.spool.transaction import Transaction

# The disk's free space is read at most this often: it changes slowly beside a system call.
FREE_SPACE_CHECK_S = 5.0


class Spool:
    """Queues, the memory of the events taken, and the state of the change stream, in one file."""

    def __init__(self, directory: Path, settings: SpoolSettings, events: EventSettings) -> None:
        self._directory = directory
        self._settings = settings
        self._grace_ms = int(events.grace_s * 1000)
        self._free_checked_s = float("-inf")
        self._has_room = True
        seen = SeenKeys(memory_ms=int(events.memory_s * 1000), memory_count=events.memory_count)
        self._seen = seen
        self._database = Database(directory / FILE_NAME, on_new_file=self._forget)
        self.begin, self.read = self._database.begin, self._database.read
        self.close = self._database.close
        queue = partial(
            Queue, self._database, max_age_s=settings.max_age_s, may_grow=self._disk_has_room
        )
        self.events = queue(
            "events",
            max_bytes=settings.max_event_bytes,
            of_events=True,
        )
        self.samples = queue("samples", max_bytes=settings.max_sample_bytes)
        self.source_samples = {
            source: queue(f"samples_{source}", max_bytes=settings.max_sample_bytes)
            for source in SOURCES
        }
        self.intake = Intake(self.events, seen)

    def open(self) -> None:
        """Open the file and give held events their grace anew: the plugins, too, could report to
        no agent while this one was down. Raises SpoolError."""
        self._database.open()
        with self.begin() as tx:
            state = self.stream(tx)
            state.renew_grace(clock.now_ms())
            self.intake.load(tx)
            # Nobody may name them any more: the stream may be switched off.
            unnamed = state.take_unnamed(*state.unnamed())
            self.intake.take_reported(tx, [*map(Accepted.read, unnamed)], are_named=True)

    def stream(self, tx: Transaction) -> ChangeStreamState:
        return ChangeStreamState(tx, grace_ms=self._grace_ms)

    def append_sample(self, body: bytes, *, source: str = "system") -> None:
        """Store one sample of a `source`, by default of the machine. Raises SpoolError."""
        with self.begin() as tx:
            self.source_samples.get(source, self.samples).append(tx, [body])

    def health(self) -> SpoolHealth:
        """Return counts and sizes of items that wait and were lost, all None while the file cannot
        be read."""
        try:
            with self.read() as tx:
                return read_health(tx, limit_bytes=self._settings.max_event_bytes)
        except SpoolError:
            return SpoolHealth()

    def _forget(self) -> None:
        self._seen.forget_recent()
        if self.events.clock_steps is not None:
            self.events.clock_steps.forget()

    def _disk_has_room(self) -> bool:
        now_s = clock.monotonic_s()
        if now_s - self._free_checked_s >= FREE_SPACE_CHECK_S:
            self._free_checked_s = now_s
            free = shutil.disk_usage(self._directory).free
            self._has_room = free >= self._settings.min_free_bytes
        return self._has_room
