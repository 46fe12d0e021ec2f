"""Starts of the host, its programs and its agent, as samples report them. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from server.metrics import wire
from server.nodes.models import AGENT, HOST

#: Node, program, when it started.
ProgramStart = tuple[str, str, datetime]


def find_starts(samples: Iterable[wire.Sample]) -> set[ProgramStart]:
    """Return the reported starts, each once however many samples report it."""
    return {start for sample in samples for start in _starts_of(sample)}


def _starts_of(sample: wire.Sample) -> Iterator[ProgramStart]:
    if isinstance(sample, wire.SystemSample):
        if sample.system.uptime_seconds is not None:
            yield sample.node_id, HOST, _before(sample.timestamp, sample.system.uptime_seconds)
        for program, process in sample.processes.items():
            if process.started_at is not None:
                yield sample.node_id, program, process.started_at
    agent: wire.Agent | None = getattr(sample, "agent", None)
    if agent is not None and agent.uptime_s is not None:
        yield sample.node_id, AGENT, _before(sample.timestamp, agent.uptime_s)


def _before(at: datetime, uptime_s: float) -> datetime:
    """Return the moment an uptime counts from; the present where it reaches before all time."""
    try:
        return (at - timedelta(seconds=uptime_s)).replace(microsecond=0)
    except OverflowError:
        return at
