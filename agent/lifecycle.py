"""The only place that wires: configuration → spool → receiver, stream, collectors, shippers.

Stopping goes the other way: those who fill the spool first, then a last attempt to empty it, all
within one deadline. Threads are daemons: one that hangs in a system call cannot keep the process.
"""

import logging
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from agent import __version__, clock
from agent.collectors import collectors
from agent.config import Config
from agent.events.change_stream import ChangeStream
from agent.events.readings import PluginReadings
from agent.events.receiver import Receiver
from agent.registration import Registration
from agent.scheduler import Source
from agent.spool import InstanceLock, Spool
from agent.transport.client import Client
from agent.transport.shipper import Route, Shipper
from agent.wire import events_body, samples_body

logger = logging.getLogger(__name__)

STOP_DEADLINE_S = 10.0
# Of the deadline, what the producers may use before the last sending begins.
PRODUCERS_S = 4.0
RESTART_WAIT_S = 5.0

EVENTS_ROUTE = Route(
    "/api/v1/events/ingest",
    lambda batch: events_body(batch.epoch, batch.first_seq, batch.bodies, dropped=batch.dropped),
)
SAMPLES_ROUTE = Route("/api/v1/metrics/system", lambda batch: samples_body(batch.bodies))


def samples_route(source: str) -> Route:
    """Return the way of a source's own samples, which servers from before it do not have."""
    return Route(f"/api/v1/metrics/{source}", lambda batch: samples_body(batch.bodies), newer=True)


class Service(Protocol):
    """Something with a thread of its own."""

    name: str

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        ...


class Agent:
    """All parts, wired. Nothing runs before `run`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stop_producers = threading.Event()
        self._stop_shippers = threading.Event()
        self._threads: list[tuple[threading.Thread, threading.Event]] = []
        state_dir = Path(config.state_dir)
        self._lock = InstanceLock(state_dir)
        self._spool = Spool(state_dir, config.spool, config.events)
        self._client = Client(config.backend)
        self._plugin_readings = PluginReadings()
        self._shippers: list[Shipper] = []

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set. Raises ConfigError, AlreadyRunning, SpoolError or ReceiverError
        when it cannot start; nothing afterwards."""
        self._lock.acquire()
        try:
            self._spool.open()
            try:
                self._start()
                stop.wait()
                self._stop()
            finally:
                self._spool.close()
        finally:
            self._lock.release()

    def _start(self) -> None:
        config = self._config
        producers: list[Service] = []
        if config.receiver.enabled:
            receiver = Receiver(
                self._spool,
                config.receiver,
                Path(config.runtime_dir),
                node=config.node_id,
                readings=self._plugin_readings,
            )
            receiver.open()
            producers.append(receiver)
        if config.discovery.zonemta_mongodb_uri:
            uri = config.discovery.zonemta_mongodb_uri
            producers.append(ChangeStream(self._spool, uri, node=config.node_id))
        machine, *sources = collectors(config)
        take = self._spool.append_sample
        producers.append(Source(machine, take, interval_s=config.intervals.system_s))
        producers.extend(
            Source(
                source,
                partial(take, source=source.name),
                interval_s=getattr(config.intervals, f"{source.name}_s"),
            )
            for source in sources
        )
        self._shippers = [
            Shipper(self._spool.events, self._client, EVENTS_ROUTE, config.backend),
            Shipper(self._spool.samples, self._client, SAMPLES_ROUTE, config.backend),
            *(
                Shipper(queue, self._client, samples_route(source), config.backend)
                for source, queue in self._spool.more_samples.items()
            ),
        ]
        # Shippers first: what a killed agent left is on its way before anything is added.
        for shipper in self._shippers:
            self._start_thread(shipper, self._stop_shippers)
        self._start_thread(Registration(config, self._client), self._stop_producers)
        for producer in producers:
            self._start_thread(producer, self._stop_producers)
        logger.info(
            "Agent %s runs as node %s, sending to %s.",
            __version__,
            config.node_id,
            config.backend.url,
        )

    def _start_thread(self, service: Service, stop: threading.Event) -> None:
        thread = threading.Thread(
            target=_keep_running, args=(service, stop), name=service.name, daemon=True
        )
        self._threads.append((thread, stop))
        thread.start()

    def _stop(self) -> None:
        logger.info("Stopping: sending what is spooled, at most %g s.", STOP_DEADLINE_S)
        end_s = clock.monotonic_s() + STOP_DEADLINE_S
        self._stop_producers.set()
        self._join(self._stop_producers, end_s - STOP_DEADLINE_S + PRODUCERS_S)
        self._stop_shippers.set()
        for shipper in self._shippers:
            shipper.wake()
        self._join(self._stop_shippers, end_s)
        if all(not t.is_alive() for t, stop in self._threads if stop is self._stop_shippers):
            for shipper in self._shippers:
                shipper.flush(lambda: clock.monotonic_s() < end_s)
        self._client.close()
        late = [thread.name for thread, _ in self._threads if thread.is_alive()]
        if late:
            logger.warning("Left behind, still busy: %s.", ", ".join(late))
        logger.info("Agent stopped.")

    def _join(self, stop: threading.Event, end_s: float) -> None:
        for thread, its_stop in self._threads:
            if its_stop is stop:
                thread.join(max(0.0, end_s - clock.monotonic_s()))


def _keep_running(service: Service, stop: threading.Event) -> None:
    """Run a service; one that fails in a way nobody foresaw is begun again, not lost."""
    while not stop.is_set():
        try:
            service.run(stop)
        except Exception:
            logger.exception("%s failed; it is begun again in %g s.", service.name, RESTART_WAIT_S)
            stop.wait(RESTART_WAIT_S)
        else:
            return


def stop_on_signals(install: Callable[..., object] = signal.signal) -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        install(number, lambda *_: stop.set())
    return stop
