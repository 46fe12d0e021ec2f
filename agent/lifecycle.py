"""Wiring of the agent: configuration → spool → receiver, change streams, collectors, shippers.

Stopping goes the other way: first the producers that fill the spool, then a last attempt to empty
it, all within one deadline. Threads are daemons: one that hangs in a system call cannot keep the
process alive.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from agent import __version__, clock
from agent.collector_thread import CollectorThread
from agent.collectors import build_collectors
from agent.config import Config
from agent.discovery import Discovery
from agent.events.change_stream import ChangeStream
from agent.events.change_stream.clients import SharedClients
from agent.events.gelf import GelfReceiver
from agent.events.outcome_counts import OutcomeCounts
from agent.events.receiver import health_client
from agent.events.receiver.server import Receiver, TcpReceiver
from agent.events.reconciliation import Reconciler
from agent.events.wildduck import MailboxStream
from agent.instance_lock import InstanceLock
from agent.registration import Registration
from agent.spool import Spool
from agent.status import AgentStatus, Source
from agent.transport.client import Client
from agent.transport.outage_webhook import OutageWebhook
from agent.transport.shipper import Route, Shipper
from agent.wire import events_body, samples_body

logger = logging.getLogger(__name__)

STOP_DEADLINE_S = 10.0
# Where the agent continues right after it, as with a new configuration.
RESTART_DEADLINE_S = 3.0
# Share of the deadline that the producers may use before the last sending begins.
PRODUCERS_RATIO = 0.4
JOIN_STEP_S = 0.5
RESTART_WAIT_S = 5.0
# Start of the first collector and distance of the others: at once, and amid the work of starting,
# they would wait for one another, a tenth of a second and more each.
FIRST_AFTER_S = 0.5
FIRST_APART_S = 0.2

EVENTS_ROUTE = Route(
    "/api/v1/events/ingest",
    lambda batch: events_body(
        batch.epoch,
        batch.first_seq,
        batch.bodies,
        dropped=batch.dropped,
        clock_set_ms=batch.clock_set_ms,
    ),
)
SAMPLES_ROUTE = Route("/api/v1/metrics/system", lambda batch: samples_body(batch.bodies))


def samples_route(source: str) -> Route:
    """Return the route of a program's samples, which older servers do not have."""
    return Route(f"/api/v1/metrics/{source}", lambda batch: samples_body(batch.bodies), newer=True)


class Worker(Protocol):
    """Something with a thread of its own."""

    name: str

    def run(self, stop: threading.Event) -> None: ...


class EventSource(Worker, Source, Protocol):
    """A worker that brings events, with its health."""


class Agent:
    """All parts, wired. Nothing runs before `start`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._stop_producers = threading.Event()
        self._stop_shippers = threading.Event()
        self._threads: list[tuple[threading.Thread, Worker, threading.Event]] = []
        state_dir = Path(config.state_dir)
        self._lock = InstanceLock(state_dir)
        self._spool = Spool(state_dir, config.spool, config.events)
        self._client = Client(config.backend)
        if self._spool.events.clock_steps is not None:
            self._spool.events.clock_steps.ahead_ms = self._client.stats.skew.ahead_ms_at
        self._receiver: Receiver | None = None
        self._webhook = _build_webhook(config, self._client)
        outcomes = OutcomeCounts()
        self._spool.intake.on_event(outcomes.add)
        self.status = AgentStatus(
            spool=self._spool,
            transport=self._client.stats,
            webhook=self._webhook,
            reconciler=Reconciler(outcomes),
        )

    def start(self) -> None:
        """Start all threads. Raises ConfigError, AlreadyRunning, SpoolError or ReceiverError when
        it cannot; then nothing runs. Nothing is raised later."""
        with ExitStack() as undo:
            self._lock.acquire()
            undo.callback(self._lock.release)
            self._spool.open()
            undo.callback(self._spool.close)
            self._start_all()
            undo.pop_all()

    def stop(self, *, flush: bool = True) -> None:
        """Stop within the deadline. With `flush`, spooled items are sent first, as far as time
        allows; without, they wait for the next start."""
        deadline_s = STOP_DEADLINE_S if flush else RESTART_DEADLINE_S
        if flush:
            logger.info("Stopping: sending spooled items, at most %g s.", deadline_s)
        end_s = clock.monotonic_s() + deadline_s
        self._client.end_by(end_s)
        producers_end_s = end_s - deadline_s * (1 - PRODUCERS_RATIO)
        if self._webhook is not None:
            self._webhook.end_by(producers_end_s - JOIN_STEP_S)
        self._stop_producers.set()
        self._join(self._stop_producers, producers_end_s)
        shippers = [worker for _, worker, _ in self._threads if isinstance(worker, Shipper)]
        if flush:
            for shipper in shippers:
                shipper.end_by(end_s)
        self._stop_shippers.set()
        for shipper in shippers:
            shipper.wake()
        self._join(self._stop_shippers, end_s)
        self._client.close()
        late = [thread.name for thread, _, _ in self._threads if thread.is_alive()]
        if late:
            logger.warning("Still busy and left behind: %s.", ", ".join(late))
        self._spool.close()
        self._lock.release()

    def tick(self) -> None:
        """Abort overdue requests and log stuck collectors. To be called every few seconds."""
        self._abort_overdue()
        for _, worker, _ in self._threads:
            if isinstance(worker, CollectorThread):
                worker.report_if_stuck()

    def problems(self) -> list[str]:
        """Return the parts that no longer work, in words. Queries the receiver itself."""
        now_s = clock.monotonic_s()
        problems = []
        for thread, worker, _ in self._threads:
            if not thread.is_alive():
                problems.append(f"the thread {thread.name} has ended")
            elif isinstance(worker, Shipper) and now_s - worker.progress_s > worker.max_step_s:
                idle_s = now_s - worker.progress_s
                problems.append(f"{thread.name} has made no progress for {idle_s:.0f} s")
        if self._receiver is not None:
            try:
                # Any response will do: too many connections are no reason for a restart.
                health_client.read_health(self._receiver.path)
            except OSError as error:
                problems.append(f"the receiver does not respond ({error.strerror or error})")
        return problems

    def status_line(self) -> str:
        return f"Node {self.config.node_id}: {self.status.summary()}"

    def _start_all(self) -> None:
        config, status = self.config, self.status
        discovery = Discovery(config, status=status)
        event_sources = list(self._build_event_sources())
        status.event_sources = event_sources
        producers = [*self._open_receivers(), *event_sources]
        collectors = self._build_collectors()
        status.collectors = collectors
        producers.extend(collectors)
        events = [(self._spool.events, EVENTS_ROUTE)]
        samples = [(self._spool.samples, SAMPLES_ROUTE)] + [
            (queue, samples_route(source)) for source, queue in self._spool.source_samples.items()
        ]
        # Shippers first: the backlog of a killed agent is on its way before anything is added.
        for lanes, name in ((events, "events"), (samples, "samples")):
            shipper = Shipper(lanes, self._client, config.backend, name=name)
            self._start_thread(shipper, self._stop_shippers)
        if self._webhook is not None:
            producers.append(self._webhook)
        registration = Registration(config, self._client, discovery)
        for producer in (registration, *producers):
            self._start_thread(producer, self._stop_producers)
        logger.info(
            "Agent %s runs as node %s, sending to %s.",
            __version__,
            config.node_id,
            config.backend.url,
        )

    def _open_receivers(self) -> Iterator[Worker]:
        settings, node = self.config.receiver, self.config.node_id
        plugins = self.status.plugins
        if not settings.enabled:
            return
        self._receiver = Receiver(
            self._spool,
            settings,
            Path(self.config.runtime_dir),
            node=node,
            plugins=plugins,
            stuck=self.status.stuck_collectors,
            sends=self._client.stats.sends,
        )
        self._receiver.open()
        yield self._receiver
        if settings.tcp_port:
            over_tcp = TcpReceiver(self._spool, settings, node=node, plugins=plugins)
            over_tcp.open()
            yield over_tcp

    def _build_event_sources(self) -> Iterator[EventSource]:
        """Yield the sources beside the plugins, as configured."""
        config, discovery = self.config, self.config.discovery
        clients = SharedClients()
        if uri := discovery.zonemta_mongodb_uri:
            yield ChangeStream(
                self._spool,
                uri,
                node=config.node_id,
                instance=discovery.zonemta_instance,
                enable_pre_images=discovery.zonemta_pre_images,
                clients=clients,
            )
        if config.follows_wildduck:
            uri = discovery.wildduck_mongodb_uri
            yield MailboxStream(self._spool, uri, node=config.node_id, clients=clients)
        if config.gelf.port:
            yield GelfReceiver(self._spool, config.gelf, node=config.node_id)

    def _build_collectors(self) -> list[CollectorThread]:
        return [
            CollectorThread(
                collector,
                partial(self._spool.append_sample, source=collector.name),
                interval_s=getattr(self.config.intervals, f"{collector.name}_s"),
                first_after_s=FIRST_AFTER_S + place * FIRST_APART_S,
            )
            for place, collector in enumerate(build_collectors(self.config, self.status))
        ]

    def _start_thread(self, worker: Worker, stop: threading.Event) -> None:
        thread = threading.Thread(
            target=_keep_running, args=(worker, stop), name=worker.name, daemon=True
        )
        self._threads.append((thread, worker, stop))
        thread.start()

    def _join(self, stop: threading.Event, end_s: float) -> None:
        for thread, _, its_stop in self._threads:
            while its_stop is stop and thread.is_alive():
                left_s = end_s - clock.monotonic_s()
                if left_s <= 0:
                    break
                thread.join(min(left_s, JOIN_STEP_S))
                self._abort_overdue()

    def _abort_overdue(self) -> None:
        self._client.abort_overdue()
        if self._webhook is not None:
            self._webhook.abort_overdue()


def _build_webhook(config: Config, client: Client) -> OutageWebhook | None:
    """Return the caller of the webhook; None where there is none."""
    if not config.outage_webhook.url:
        return None
    return OutageWebhook(
        config.outage_webhook,
        client.stats,
        node=config.node_id,
        server=config.backend.url,
        directory=Path(config.state_dir),
    )


def _keep_running(worker: Worker, stop: threading.Event) -> None:
    """Run a worker; restart one that fails unexpectedly."""
    _name_thread(worker.name)
    while not stop.is_set():
        try:
            worker.run(stop)
        except Exception:
            logger.exception("%s failed; restarting it in %g s.", worker.name, RESTART_WAIT_S)
            stop.wait(RESTART_WAIT_S)
        else:
            return


def _name_thread(name: str) -> None:
    """Name the thread for `top -H` and `ps -L`; the kernel keeps 15 characters."""
    with suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name[:15])
