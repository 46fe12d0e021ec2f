"""Rounds of the evaluator at chosen times, on nodes and samples of the tests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.alerts.evaluator import gathering
from server.alerts.evaluator.rounds import Round, run_round
from server.alerts.models import Alert, NotificationRoute
from server.alerts.notifications.decisions import Route
from server.metrics.models import ProcessSample, SystemSample
from server.nodes.models import Node
from server.observability.backlog import NOTHING_WAITS

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EVERYTHING = Route("everything", ("pager",))


@pytest.fixture(autouse=True)
def forget_trends():
    """Forget the trends of disks that another test read."""
    gathering._trends.clear()


@pytest.fixture
def one_route(db: None) -> Route:
    """Route everything to one channel."""
    NotificationRoute.objects.create(
        name=EVERYTHING.name, steps=[{"after_min": 0, "channels": list(EVERYTHING.channels)}]
    )
    return EVERYTHING


@pytest.fixture
def evaluate() -> Callable[..., Round]:
    """Run the round of a time, in seconds after NOW."""

    def run(after_s: float = 0, **values: Any) -> Round:
        values = {"backlog": NOTHING_WAITS, "is_forced": True} | values
        done = run_round(NOW + timedelta(seconds=after_s), **values)
        assert done is not None
        assert done.failures == {}
        return done

    return run


@pytest.fixture
def watch(evaluate: Callable[..., Round]) -> Callable[[int, int], None]:
    """Run the rounds from one second after NOW to another, every 15 s."""

    def run(start_s: int, end_s: int) -> None:
        for after_s in range(start_s, end_s + 1, 15):
            evaluate(after_s)

    return run


@pytest.fixture
def make_node(db: None) -> Callable[..., Node]:
    """Make a node that was last in contact so many seconds after NOW."""

    def make(name: str = "mta-01", *, contact_s: float = 0, **values: Any) -> Node:
        at = NOW + timedelta(seconds=contact_s)
        return Node.objects.create(name=name, last_seen_at=at, **values)

    return make


@pytest.fixture
def sample(db: None) -> Callable[..., None]:
    """Store a system sample of a node, and the contact that it is, with programs' states."""

    def store(
        node: Node, after_s: float, programs: dict[str, str] | None = None, **values: Any
    ) -> None:
        at = NOW + timedelta(seconds=after_s)
        readings = {"cpu_percent": 5.0, "ram_used_percent": 10.0, "cpu_core_percents": []} | values
        SystemSample.objects.create(node=node, time=at, **readings)
        for program, status in (programs or {}).items():
            ProcessSample.objects.create(node=node, time=at, process=program, status=status)
        Node.objects.filter(pk=node.pk).update(last_seen_at=at)

    return store


@pytest.fixture
def states(db: None) -> Callable[..., dict[str, str]]:
    """Return rule and subject → state of the open alerts."""

    def read(**filters: Any) -> dict[str, str]:
        return {
            f"{alert.rule} {alert.subject}": alert.state
            for alert in Alert.objects.filter(ended_at=None, **filters)
        }

    return read


@pytest.fixture
def fired(states: Callable[..., dict[str, str]]) -> Callable[[], dict[str, str]]:
    """Return the same of those that have fired."""
    return lambda: states(fired_at__isnull=False)
