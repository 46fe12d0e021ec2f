"""The catalogue of samples: which tables there are, and what is stored in the columns of each.

A table's columns are its dimensions, the fields of its payload and what is derived from them when
a sample is stored. Models, levels, retention and queries are all made from this. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import msgspec

from server.metrics import wire
from server.metrics.mail_queue import MailQueue
from server.metrics.measures import Column, Counter, Gauge, Measure, Name, Rate, Total, columns_of


class Port(msgspec.Struct, frozen=True):
    """Whether a port takes connections."""

    is_open: Gauge[bool]


class SystemColumns(msgspec.Struct, frozen=True):
    """`cpu_cores` in the order of the cores, none where they are not known, and `load_avg` as
    three columns."""

    cpu_core_percents: list[float]
    load_1m: Gauge[Rate | None]
    load_5m: Gauge[Rate | None]
    load_15m: Gauge[Rate | None]


class ZoneMtaColumns(msgspec.Struct, frozen=True):
    """`deliveries` of all zones, added up by status."""

    delivered_total: Counter[Total | None]
    rejected_total: Counter[Total | None]
    deferred_total: Counter[Total | None]
    unknown_total: Counter[Total | None]


class WildDuckColumns(msgspec.Struct, frozen=True):
    """Sums of the lists `connections` and `services`."""

    connections_count: Gauge[Total | None]
    services_down_count: Gauge[Total | None]


class RspamdColumns(msgspec.Struct, frozen=True):
    """`actions`, a column each."""

    action_reject_total: Counter[Total | None]
    action_soft_reject_total: Counter[Total | None]
    action_rewrite_subject_total: Counter[Total | None]
    action_add_header_total: Counter[Total | None]
    action_greylist_total: Counter[Total | None]
    action_no_action_total: Counter[Total | None]


class MailQueueColumns(msgspec.Struct, frozen=True):
    """`database`, empty where the payload does not name it."""

    database: Name


@dataclass(frozen=True)
class GaugeReading:
    """A gauge: its name, and its SQL over the columns of a sample, as a float."""

    name: str
    expression: str


@dataclass(frozen=True)
class SampleKind:
    """One table of samples.

    `dimensions`: columns that distinguish its series, beside the node. `derived`: columns made from
    the payload, instead of its fields of the same names. `unstored`: fields that become derived
    columns only. `expressions`: gauges that are no column, and their SQL over a row.
    """

    name: str
    table: str
    payload: type[msgspec.Struct]
    derived: type[msgspec.Struct] | None = None
    dimensions: tuple[str, ...] = ()
    unstored: tuple[str, ...] = ()
    expressions: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that distinguish the series."""
        return ("node_id", *self.dimensions)

    @cached_property
    def gauges(self) -> tuple[GaugeReading, ...]:
        """The gauges; of yes and no as 1 and 0."""
        columns = [column for column in self.columns() if column.measure is Measure.GAUGE]
        sql = {column.name: column.name + "::int" * (column.type is bool) for column in columns}
        return tuple(
            GaugeReading(name, f"({expression})::float")
            for name, expression in (*self.expressions, *sql.items())
        )

    @cached_property
    def counters(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns() if c.measure is Measure.COUNTER)

    def columns(self) -> Iterator[Column]:
        """Yield the columns of the table, all but the node and the time."""
        derived = list(columns_of(self.derived)) if self.derived else []
        names = {column.name for column in derived} | set(self.unstored)
        fields = [column for column in columns_of(self.payload) if column.name not in names]
        present = {column.name for column in (*derived, *fields)}
        for name in self.dimensions:
            if name not in present:
                yield Column(name, str, is_nullable=False, measure=None)
        yield from fields
        yield from derived


SYSTEM = SampleKind(
    "system",
    "metrics_system",
    wire.System,
    derived=SystemColumns,
    unstored=("cpu_cores", "load_avg"),
)
PROCESS = SampleKind(
    "process",
    "metrics_process",
    wire.Process,
    dimensions=("process",),
    expressions=(("is_running", "(status = 'running')::int"),),
)
SERVICE = SampleKind("service", "metrics_service", Port, dimensions=("service",))
ZONEMTA = SampleKind("zonemta", "metrics_zonemta", wire.ZoneMta, derived=ZoneMtaColumns)
HARAKA = SampleKind("haraka", "metrics_haraka", wire.Haraka)
WILDDUCK = SampleKind("wildduck", "metrics_wildduck", wire.WildDuck, derived=WildDuckColumns)
MONGODB = SampleKind("mongodb", "metrics_mongodb", wire.MongoDb)
REDIS = SampleKind("redis", "metrics_redis", wire.Redis)
RSPAMD = SampleKind("rspamd", "metrics_rspamd", wire.Rspamd, derived=RspamdColumns)
AGENT = SampleKind("agent", "metrics_agent", wire.Agent)
MAIL_QUEUE = SampleKind(
    "mail_queue",
    "mail_queue_snapshots",
    MailQueue,
    derived=MailQueueColumns,
    dimensions=("database",),
    expressions=(
        ("waiting_count", "active_count + deferred_count"),
        ("oldest_age_s", "extract(epoch FROM time - oldest_created_at)"),
    ),
)

#: What /metrics/{kind} answers; the mail queue has an endpoint of its own.
METRICS = (
    SYSTEM, PROCESS, SERVICE, ZONEMTA, HARAKA, WILDDUCK, MONGODB, REDIS, RSPAMD, AGENT,
)  # fmt: skip
#: In the order in which a transaction writes them, so that two writers never wait in a circle.
KINDS = (*METRICS, MAIL_QUEUE)
