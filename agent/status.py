"""`AgentStatus`: the state of the agent's parts, shared between its threads.

| Part | Written by | Read by |
|---|---|---|
| `programs` | discovery | the system collector, for the ports to check |
| `plugins` | the receiver | the agent's and Haraka's collectors, discovery |
| `collectors`, `event_sources` | each of these threads | the agent's collector, the receiver |
| `spool`, `transport` | the spool, the client | the agent's collector, systemd's status line |
| `webhook` | the thread that calls it | systemd's status line |
| `reconciler` | ZoneMTA's collector | the agent's collector |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from agent.errors import SpoolError
from agent.events.outcome_counts import OutcomeCounts
from agent.events.receiver.plugin_status import PluginRegistry
from agent.events.reconciliation import Reconciler
from agent.samples import SourceHealth, SpoolHealth

if TYPE_CHECKING:  # `once` starts without them
    from agent.spool import Spool
    from agent.transport.outage_webhook import OutageWebhook
    from agent.transport.stats import TransportStats


class Source(Protocol):
    """A thread that reads a program of this node. Other threads read its health."""

    name: str

    def health(self) -> SourceHealth: ...


class CollectorSource(Source, Protocol):
    """A source that runs at intervals. `stuck_s`: age of a run past its maximum, else None."""

    def stuck_s(self) -> float | None: ...


@dataclass(kw_only=True)
class AgentStatus:
    """Safe to share: each part locks itself, and attributes are only replaced as a whole. A part
    that does not run, as in `once`, is None or empty."""

    programs: tuple[str, ...] = ()  # found on this node, in the order of roles.PROGRAMS
    plugins: PluginRegistry = field(default_factory=PluginRegistry)
    collectors: Sequence[CollectorSource] = ()
    event_sources: Sequence[Source] = ()  # the change streams, GELF
    spool: Spool | None = None
    transport: TransportStats | None = None
    webhook: OutageWebhook | None = None
    reconciler: Reconciler = field(default_factory=lambda: Reconciler(OutcomeCounts()))

    def stuck_collectors(self) -> dict[str, float]:
        """Return the seconds that each stuck collector has been running, by its name."""
        ages = {collector.name: collector.stuck_s() for collector in self.collectors}
        return {name: stuck_s for name, stuck_s in ages.items() if stuck_s is not None}

    def source_health(self) -> list[SourceHealth]:
        return [source.health() for source in (*self.collectors, *self.event_sources)]

    def spool_health(self) -> SpoolHealth:
        """Return counts and sizes of the spool, all None while it cannot be read."""
        return self.spool.health() if self.spool else SpoolHealth()

    def send_health(self) -> dict[str, Any]:
        """Return the requests to the server as fields of the agent's sample."""
        return self.transport.health() if self.transport else {}

    def summary(self) -> str:
        parts = []
        if self.spool:
            try:
                parts.append(f"{self.spool.events.waiting_count()} events wait")
            except SpoolError:
                parts.append("the spool cannot be read")
        if stats := self.transport:
            parts.append(f"{stats.sends_total} sends, {stats.failures_total} failed")
        if self.webhook and self.webhook.failures_total:
            parts.append(f"{self.webhook.failures_total} calls of the outage webhook failed")
        return "; ".join(parts)
