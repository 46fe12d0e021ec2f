"""Shared by the agent's tests: a spool on disk, threads that end, a real MongoDB."""

import json
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.config import Events as EventSettings
from agent.config import Receiver as ReceiverSettings
from agent.config import Spool as SpoolSettings
from agent.spool import Accepted, Spool
from agent.wire import ReceivedEvent, event_id
from build.deadline import stretch
from tests.fakes.agent_process import AgentProcess
from tests.fakes.ingest_server import FakeServer, running_server

MIB = 1024**2
MakeSpool = Callable[..., Spool]


@pytest.fixture
def make_spool(tmp_path: Path) -> Iterator[MakeSpool]:
    """Open a spool in the test's directory; closed afterwards."""
    opened: list[Spool] = []

    def make(*, grace_s: float = 0, events: dict[str, Any] | None = None, **settings: Any) -> Spool:
        made = Spool(
            tmp_path,
            SpoolSettings(**({"min_free_bytes": 0} | settings)),
            EventSettings(grace_s=grace_s, **(events or {})),
        )
        made.open()
        opened.append(made)
        return made

    yield make
    for spool in opened:
        spool.close()


@pytest.fixture
def spool(make_spool: MakeSpool) -> Spool:
    """An open spool without grace."""
    return make_spool()


@pytest.fixture
def in_thread() -> Iterator[Callable[[Any], threading.Event]]:
    """Run a service in a thread; stopped and joined afterwards."""
    running: list[tuple[threading.Thread, threading.Event, Any]] = []

    def start(service: Any) -> threading.Event:
        stop = threading.Event()
        thread = threading.Thread(target=service.run, args=(stop,), name=service.name, daemon=True)
        thread.start()
        running.append((thread, stop, service))
        return stop

    yield start
    for thread, stop, service in running:
        stop.set()
        getattr(service, "wake", lambda: None)()
        thread.join(stretch(15))
        assert not thread.is_alive(), f"{thread.name} did not stop"


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a short name: a unix socket's path may have only 107 characters."""
    with tempfile.TemporaryDirectory(prefix="ml-") as name:
        yield Path(name)


@pytest.fixture
def receiver(spool: Spool, directory: Path, in_thread: Callable[[Any], threading.Event]) -> Any:
    """A running receiver on a real unix socket."""
    from agent.events.receiver.server import Receiver

    made = Receiver(spool, ReceiverSettings(), directory, node="mta-01")
    made.open()
    in_thread(made)
    return made


@pytest.fixture
def fake_server() -> Iterator[FakeServer]:
    """A server that accepts everything, unless it is given other answers."""
    with running_server() as server:
        yield server


@pytest.fixture
def start_agent(directory: Path) -> Iterator[Callable[..., AgentProcess]]:
    """Start agents in the test's directory; killed afterwards."""
    started: list[AgentProcess] = []

    def start(url: str, **environment: Any) -> AgentProcess:
        process = AgentProcess(directory, url, **environment)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def mongodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real MongoDB, a replica set of one."""
    from build.stack import mongodb as stack
    from tests.programs import run_service

    with run_service(stack.start, tmp_path_factory.mktemp("mongodb")) as running:
        yield running


def make_event(
    number: int, event_type: Any = "sent", *, recipient: str = "a@b.example"
) -> Accepted:
    """Return an event as a plugin reports it; the body is its number."""
    queue_id = f"q{number}"
    event = ReceivedEvent(
        event_id=event_id("zonemta", queue_id, recipient, event_type),
        occurred_at=datetime(2026, 11, 21, tzinfo=UTC),
        event_type=event_type,
        direction="outbound",
        queue_id=queue_id,
        to_address=recipient,
    )
    return Accepted(event, json.dumps({"n": number}).encode())


def take_reported(spool: Spool, accepted: Sequence[Accepted]) -> None:
    """Store events as the receiver does."""
    with spool.begin() as tx:
        spool.intake.take_reported(tx, accepted)


def take(spool: Spool, numbers: Iterable[int]) -> None:
    """Store an event for each number."""
    take_reported(spool, [make_event(number) for number in numbers])


def numbers(spool: Spool) -> list[int]:
    """Return the numbers of the events that wait in the spool."""
    return [event["n"] for event in read_events(spool)]


def read_events(spool: Spool) -> list[dict[str, Any]]:
    """Return the events that wait in the spool, in order."""
    batch = spool.events.peek(max_count=100_000, max_bytes=10**9)
    return [json.loads(body) for body in batch.bodies] if batch else []


def waiting_count(spool: Spool) -> int:
    """Return how many events wait in the spool."""
    batch = spool.events.peek(max_count=10_000, max_bytes=10**9)
    return len(batch.bodies) if batch else 0
