"""Thread that receives GELF datagrams, and relays them to the Graylog that they went to before.

UDP is lossy: what the kernel dropped because its buffer was full is counted, and nothing can bring
it back. So only what no durable source has becomes an event here.
"""

import logging
import socket
import threading
from contextlib import closing, suppress
from ipaddress import ip_address
from pathlib import Path

from msgspec.structs import replace

from agent import clock
from agent.config import Gelf as GelfSettings
from agent.errors import SpoolError
from agent.events import mailbox_event
from agent.events.gelf import records
from agent.events.gelf.datagrams import MAX_DATAGRAM_BYTES, Assembler
from agent.events.gelf.relay import Relay
from agent.events.mailbox_event import MailboxEvent
from agent.logs import RateLimitedLog
from agent.samples import SourceHealth
from agent.spool import Spool, Transaction

logger = logging.getLogger(__name__)

# Datagrams of one transaction, and how long the first waits for others.
MAX_BATCH = 500
LINGER_S = 0.2
# The stop event is looked at this often.
IDLE_S = 1.0
HEALTH_INTERVAL_S = 15.0
FIRST_WAIT_S = 1.0
MAX_WAIT_S = 60.0
# Of events that the spool could not take; beyond it they are dropped and counted.
MAX_HELD = 5000

# Counters of the spool.
TAKEN = "gelf.events"
IGNORED = "gelf.ignored"
UNREADABLE = "gelf.unreadable"
FOREIGN = "gelf.foreign"
KERNEL_DROPS = "gelf.kernel_drops"
DROPPED = "gelf.dropped"
RELAY_FAILED = "gelf.relay_failed"

_UDP = Path("/proc/net/udp")


class GelfReceiver:
    """One thread's work. `run` returns when `stop` is set; it raises nothing."""

    name = "gelf"

    def __init__(self, spool: Spool, settings: GelfSettings, *, node: str) -> None:
        self._spool = spool
        self._settings = settings
        self._node = node
        self._allowed = settings.networks
        self._assembler = Assembler()
        self._warnings = RateLimitedLog(logger)
        # Replaced as a whole: other threads read it.
        self._health = SourceHealth(name=self.name, interval_s=HEALTH_INTERVAL_S)
        self._counts: dict[str, int] = {}
        self._events: list[MailboxEvent] = []
        self._drops_before = 0
        self._checked_s = float("-inf")

    def health(self) -> SourceHealth:
        return self._health

    def run(self, stop: threading.Event) -> None:
        wait_s = FIRST_WAIT_S
        while not stop.is_set():
            try:
                opened = self._open()
            except OSError as error:
                self._report(error)
                stop.wait(wait_s)
                wait_s = min(wait_s * 2, MAX_WAIT_S)
                continue
            wait_s = FIRST_WAIT_S
            self._warnings.resolve("GELF is received again at %s.", self._where)
            with opened, closing(Relay(self._settings.relay_target)) as relay:
                self._drops_before = read_drops(self._settings.port)
                while not stop.is_set():
                    self._step(opened, relay)
                self._store(with_counts=True)

    @property
    def _where(self) -> str:
        return f"{self._settings.address}:{self._settings.port}"

    def _open(self) -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            size = self._settings.receive_buffer_bytes
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            opened.bind((self._settings.address, self._settings.port))
        except OSError:
            opened.close()
            raise
        return opened

    def _step(self, opened: socket.socket, relay: Relay) -> None:
        """Receive what comes within a moment, and store it."""
        opened.settimeout(IDLE_S)
        end_s = float("inf")
        for _ in range(MAX_BATCH):
            try:
                datagram, (host, port) = opened.recvfrom(MAX_DATAGRAM_BYTES)
            except OSError:  # none in time
                break
            self._take(datagram, host, port, relay)
            now_s = clock.monotonic_s()
            end_s = min(end_s, now_s + LINGER_S)
            if now_s >= end_s:
                break
            opened.settimeout(end_s - now_s)
        self._assembler.forget_old()
        is_due = clock.monotonic_s() - self._checked_s >= HEALTH_INTERVAL_S
        if is_due:
            self._count_losses()
        # Counters alone are worth no transaction: most records are ignored.
        self._store(with_counts=is_due)

    def _take(self, datagram: bytes, host: str, port: int, relay: Relay) -> None:
        if not any(ip_address(host) in network for network in self._allowed):
            self._count(FOREIGN)
            return
        try:
            if not relay.send(datagram):
                self._count(RELAY_FAILED)
        except OSError as error:
            self._count(RELAY_FAILED)
            self._warnings.warn("relay", "A datagram was not relayed: %s.", error)
        try:
            body = self._assembler.take(datagram, (host, port))
            record = None if body is None else records.read_record(body)
            event = None if record is None else records.to_event(record, node=self._node)
        except (ValueError, RecursionError) as error:
            self._count(UNREADABLE)
            self._warnings.warn(
                "unreadable", "A GELF datagram cannot be read (counted): %s.", error
            )
            return
        if event is not None:
            self._events.append(event)
        elif body is not None:
            self._count(IGNORED)

    def _count(self, name: str, amount: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + amount

    def _count_losses(self) -> None:
        """Count what was lost since the last look."""
        self._checked_s = clock.monotonic_s()
        drops = read_drops(self._settings.port)
        lost = max(drops - self._drops_before, 0)
        self._drops_before = drops
        self._count(KERNEL_DROPS, lost)
        self._count(UNREADABLE, self._assembler.incomplete_total)
        self._assembler.incomplete_total = 0
        if lost:
            self._warnings.warn(
                "drops",
                "The kernel dropped %d GELF datagrams: raise receive_buffer_bytes of [gelf] and"
                " net.core.rmem_max.",
                lost,
            )

    def _store(self, *, with_counts: bool) -> None:
        """Store events, and counters with them or `with_counts`, in one transaction."""
        counts: dict[str, int] = {}
        taken = len(self._events)
        if self._events or with_counts:
            counts = {name: amount for name, amount in self._counts.items() if amount}
        if self._events or counts:
            try:
                with self._spool.begin() as tx:
                    self._write(tx, counts)
            except SpoolError as error:
                self._warnings.warn("spool", "GELF records were not taken: %s", error)
                self._drop_excess()
                self._health = replace(self._health, last_error=str(error)[:300])
                return
            self._events.clear()
            self._counts.clear()
        before = self._health
        self._health = replace(
            before,
            runs_total=before.runs_total + bool(taken),
            missed_total=before.missed_total + counts.get(KERNEL_DROPS, 0),
            unreadable_total=before.unreadable_total + counts.get(UNREADABLE, 0),
            last_error=None,
            succeeded_at=clock.utc_now(),
        )

    def _write(self, tx: Transaction, counts: dict[str, int]) -> None:
        accepted = [mailbox_event.accept(event) for event in self._events]
        self._spool.intake.take_reported(tx, accepted)
        for name, amount in counts.items():
            tx.add(name, amount)
        tx.add(TAKEN, len(accepted))

    def _drop_excess(self) -> None:
        """Drop the oldest events that wait for a spool that cannot write."""
        excess = len(self._events) - MAX_HELD
        if excess > 0:
            del self._events[:excess]
            self._count(DROPPED, excess)

    def _report(self, error: OSError) -> None:
        line = (
            f"GELF cannot be received at {self._where} ({error.strerror or error}). Does Graylog"
            " listen there? Set another port in [gelf], send the programs' records to it, and"
            " Graylog's address as relay_to."
        )
        failures = self._health.failures_total + 1
        self._health = replace(self._health, failures_total=failures, last_error=line[:300])
        self._warnings.warn("bind", "%s", line)


def read_drops(port: int, path: Path = _UDP) -> int:
    """Return how many datagrams the kernel dropped at the sockets of a port; 0 where it does not
    tell."""
    drops = 0
    with suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines()[1:]:
            columns = line.split()
            if int(columns[1].rpartition(":")[2], 16) == port:
                drops += int(columns[-1])
    return drops
