"""The only place that wires: configuration → spool → receiver, stream, collectors, shippers.

Stopping goes the other way: those who fill the spool first, then a last attempt to empty it, all
within one deadline. Threads are daemons: one that hangs in a system call cannot keep the process.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from agent import __version__, clock
from agent.collector_thread import CollectorThread
from agent.collectors import Collector, Parts, collectors
from agent.config import Config
from agent.discovery import Discovery
from agent.errors import SpoolError
from agent.events.change_stream import ChangeStream
from agent.events.receiver import Receiver, TcpReceiver, health_client
from agent.events.receiver.plugin_status import PluginReadings
from agent.events.reconciliation import Reconciler
from agent.instance_lock import InstanceLock
from agent.registration import Registration
from agent.samples import PluginHealth, SendHealth
from agent.spool import Spool
from agent.spool.health import spool_health
from agent.transport.client import Client
from agent.transport.shipper import Route, Shipper
from agent.wire import events_body, samples_body

logger = logging.getLogger(__name__)

STOP_DEADLINE_S = 10.0
# When the agent goes on right after it, as with a new configuration.
HASTY_STOP_DEADLINE_S = 3.0
# Of the deadline, what the producers may use before the last sending begins.
PRODUCERS_RATIO = 0.4
JOIN_LOOK_S = 0.5
RESTART_WAIT_S = 5.0
# When the first source begins, and the next ones after it: at once, and amid the work of starting,
# they wait for one another, a tenth of a second and more each.
FIRST_AFTER_S = 0.5
FIRST_APART_S = 0.2

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
    """All parts, wired. Nothing runs before `start`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._stop_producers = threading.Event()
        self._stop_shippers = threading.Event()
        self._threads: list[tuple[threading.Thread, Service, threading.Event]] = []
        state_dir = Path(config.state_dir)
        self._lock = InstanceLock(state_dir)
        self._spool = Spool(state_dir, config.spool, config.events)
        self._client = Client(config.backend)
        self._plugin_readings = PluginReadings()
        self._discovery = Discovery(config, haraka=self._plugin_readings.haraka)
        self._receiver: Receiver | None = None
        self._sources: list[CollectorThread] = []

    def start(self) -> None:
        """Begin. Raises ConfigError, AlreadyRunning, SpoolError or ReceiverError when it cannot;
        then nothing runs. Nothing is raised later."""
        self._lock.acquire()
        try:
            self._spool.open()
            try:
                self._start_all()
            except BaseException:
                self._spool.close()
                raise
        except BaseException:
            self._lock.release()
            raise

    def stop(self, *, flush: bool = True) -> None:
        """End within the deadline. With `flush`, what is spooled is sent before, as far as it goes;
        without, it waits for the next start."""
        deadline_s = STOP_DEADLINE_S if flush else HASTY_STOP_DEADLINE_S
        if flush:
            logger.info("Stopping: sending what is spooled, at most %g s.", deadline_s)
        end_s = clock.monotonic_s() + deadline_s
        self._client.end_by(end_s)
        self._stop_producers.set()
        self._join(self._stop_producers, end_s - deadline_s * (1 - PRODUCERS_RATIO))
        for _, service, _ in self._threads:
            if isinstance(service, Shipper) and flush:
                service.end_by(end_s)
        self._stop_shippers.set()
        for _, service, _ in self._threads:
            if isinstance(service, Shipper):
                service.wake()
        self._join(self._stop_shippers, end_s)
        self._client.close()
        late = [thread.name for thread, _, _ in self._threads if thread.is_alive()]
        if late:
            logger.warning("Left behind, still busy: %s.", ", ".join(late))
        self._spool.close()
        self._lock.release()

    def tick(self) -> None:
        """Do what only one looking on can do. To be called every few seconds."""
        self._client.abort_overdue()
        for source in self._sources:
            source.report_if_stuck()

    def troubles(self) -> list[str]:
        """Return which parts do not work any more, in words; asks the receiver itself."""
        now_s = clock.monotonic_s()
        found = []
        for thread, service, _ in self._threads:
            if not thread.is_alive():
                found.append(f"the thread {thread.name} has ended")
            elif isinstance(service, Shipper) and now_s - service.progress_s > service.max_step_s:
                found.append(f"{thread.name} has not moved for {now_s - service.progress_s:.0f} s")
        if self._receiver is not None:
            try:
                # Whatever it answers: too many connections are no reason to begin anew.
                health_client.answers(self._receiver.path)
            except OSError as error:
                found.append(f"the receiver does not answer ({error.strerror or error})")
        return found

    def status(self) -> str:
        """Return one line for `systemctl status`."""
        sends = self._client.stats
        try:
            waiting = f"{self._spool.events.waiting_count()} events wait"
        except SpoolError:
            waiting = "the spool cannot be read"
        return (
            f"Node {self.config.node_id}: {waiting}; {sends.sends_total} sends,"
            f" {sends.failures_total} failed"
        )

    def _start_all(self) -> None:
        config = self.config
        producers: list[Service] = []
        if config.receiver.enabled:
            self._receiver = Receiver(
                self._spool,
                config.receiver,
                Path(config.runtime_dir),
                node=config.node_id,
                readings=self._plugin_readings,
                stuck=self._stuck,
            )
            self._receiver.open()
            producers.append(self._receiver)
            if config.receiver.tcp_port:
                over_tcp = TcpReceiver(
                    self._spool,
                    config.receiver,
                    node=config.node_id,
                    readings=self._plugin_readings,
                )
                over_tcp.open()
                producers.append(over_tcp)
        stream: ChangeStream | None = None
        if config.discovery.zonemta_mongodb_uri:
            uri = config.discovery.zonemta_mongodb_uri
            stream = ChangeStream(
                self._spool,
                uri,
                node=config.node_id,
                instance=config.discovery.zonemta_instance,
                enable_pre_images=config.discovery.zonemta_pre_images,
            )
            producers.append(stream)
        self._sources = self._made_sources(stream)
        producers.extend(self._sources)
        events = [(self._spool.events, EVENTS_ROUTE)]
        samples = [(self._spool.samples, SAMPLES_ROUTE)] + [
            (queue, samples_route(source)) for source, queue in self._spool.more_samples.items()
        ]
        # Shippers first: what a killed agent left is on its way before anything is added.
        for lanes, name in ((events, "events"), (samples, "samples")):
            shipper = Shipper(lanes, self._client, config.backend, name=name)
            self._start_thread(shipper, self._stop_shippers)
        registration = Registration(config, self._client, self._discovery)
        self._start_thread(registration, self._stop_producers)
        for producer in producers:
            self._start_thread(producer, self._stop_producers)
        logger.info(
            "Agent %s runs as node %s, sending to %s.",
            __version__,
            config.node_id,
            config.backend.url,
        )

    def _stuck(self) -> dict[str, float]:
        """Return which collectors do not come back, and for how long."""
        found = {source.name: source.stuck_s() for source in self._sources}
        return {name: stuck_s for name, stuck_s in found.items() if stuck_s is not None}

    def _made_sources(self, stream: ChangeStream | None) -> list[CollectorThread]:
        config, spool, stats = self.config, self._spool, self._client.stats
        reconciler = Reconciler(spool.captured)
        parts = Parts(
            spool=lambda: spool_health(spool.database, limit_bytes=config.spool.max_event_bytes),
            sends=lambda: SendHealth(
                sends_total=stats.sends_total,
                send_failures_total=stats.failures_total,
                send_p95_ms=stats.p95_ms,
                clock_skew_ms=stats.clock_skew_ms,
            ),
            plugins=lambda: [PluginHealth(**said) for said in self._plugin_readings.plugins()],
            reconciliation=reconciler.lines,
        )
        machine, *others = collectors(
            config,
            found=lambda: self._discovery.programs,
            haraka=self._plugin_readings.haraka,
            parts=parts,
            counters=reconciler.take,
        )
        sinks: list[tuple[Collector, Callable[[bytes], None]]] = [
            (machine, spool.append_sample),
            *((other, partial(spool.append_sample, source=other.name)) for other in others),
        ]
        sources = [
            CollectorThread(
                collector,
                sink,
                interval_s=getattr(config.intervals, f"{collector.name}_s"),
                first_after_s=FIRST_AFTER_S + place * FIRST_APART_S,
            )
            for place, (collector, sink) in enumerate(sinks)
        ]
        watched: list[CollectorThread | ChangeStream] = [*sources, *([stream] if stream else [])]
        parts.sources = lambda: [source.health() for source in watched]
        return sources

    def _start_thread(self, service: Service, stop: threading.Event) -> None:
        thread = threading.Thread(
            target=_keep_running, args=(service, stop), name=service.name, daemon=True
        )
        self._threads.append((thread, service, stop))
        thread.start()

    def _join(self, stop: threading.Event, end_s: float) -> None:
        for thread, _, its_stop in self._threads:
            while its_stop is stop and thread.is_alive():
                left_s = end_s - clock.monotonic_s()
                if left_s <= 0:
                    break
                thread.join(min(left_s, JOIN_LOOK_S))
                self._client.abort_overdue()


def _keep_running(service: Service, stop: threading.Event) -> None:
    """Run a service; one that fails in a way nobody foresaw is begun again, not lost."""
    _name_thread(service.name)
    while not stop.is_set():
        try:
            service.run(stop)
        except Exception:
            logger.exception("%s failed; it is begun again in %g s.", service.name, RESTART_WAIT_S)
            stop.wait(RESTART_WAIT_S)
        else:
            return


def _name_thread(name: str) -> None:
    """Let `top -H` and `ps -L` show what a thread does; the kernel keeps 15 characters."""
    with suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name[:15])
