"""Pure: a decoded sample → the rows of the tables it goes to, without their node."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from server.mailqueues.mapping import queue_values
from server.metrics import wire

#: Table and the values of one row of it, by column; `node_id` is the node's name still.
Row = tuple[str, dict[str, Any]]

#: ZoneMTA's words for how an attempt ended; each is a column.
DELIVERY_STATUSES = ("delivered", "rejected", "deferred", "unknown")
#: Rspamd's actions; each is a column.
ACTIONS = (
    "reject", "soft reject", "rewrite subject", "add header", "greylist", "no action",
)  # fmt: skip


def rows(sample: wire.Sample) -> Iterator[Row]:
    """Yield the rows of a sample."""
    key = {"node_id": sample.node_id, "time": sample.timestamp}
    for table, values in _ROWS[type(sample)](sample):
        yield table, key | values


def system_values(sample: wire.SystemSample) -> dict[str, Any]:
    """Return the columns of metrics_system, all but node and time."""
    values = msgspec.structs.asdict(sample.system)
    cores = sorted(values.pop("cpu_cores"), key=lambda core: core.core)
    load_1m, load_5m, load_15m = values.pop("load_avg")
    return values | {
        "cpu_core_percents": [core.percent for core in cores],
        "load_1m": load_1m,
        "load_5m": load_5m,
        "load_15m": load_15m,
    }


def zonemta_values(readings: wire.ZoneMta) -> dict[str, Any]:
    """Return the columns of metrics_zonemta: the deliveries as they came, and by status."""
    sums = dict.fromkeys(DELIVERY_STATUSES, 0)
    for each in readings.deliveries:
        if each.status in sums:
            sums[each.status] += each.count
    of_status = {f"{status}_total": count for status, count in sums.items()}
    return msgspec.structs.asdict(readings) | of_status


def rspamd_values(readings: wire.Rspamd) -> dict[str, Any]:
    """Return the columns of metrics_rspamd: the actions as they came, and each by itself."""
    found = {each.action: each.count for each in readings.actions or ()}
    of_action = {action_column(action): found.get(action) for action in ACTIONS}
    return msgspec.structs.asdict(readings) | of_action


def wildduck_values(readings: wire.WildDuck) -> dict[str, Any]:
    """Return the columns of metrics_wildduck: the lists as they came, and what they sum up to."""
    known, services = readings.connections, readings.services
    return msgspec.structs.asdict(readings) | {
        "connections_count": None if known is None else sum(each.count for each in known),
        "services_down_count": (
            None if services is None else sum(not each.is_up for each in services)
        ),
    }


def action_column(action: str) -> str:
    """Return the column of one of Rspamd's actions."""
    return f"action_{action.replace(' ', '_')}_total"


def _of_system(sample: wire.SystemSample) -> Iterator[Row]:
    yield "metrics_system", system_values(sample)
    for name, process in sample.processes.items():
        values = msgspec.structs.asdict(process) | {"process": name}
        yield "metrics_process", values
    for name, is_open in sample.services.items():
        yield "metrics_service", {"service": name, "is_open": is_open}


def _of_zonemta(sample: wire.ZoneMtaSample) -> Iterator[Row]:
    if sample.zonemta is not None:
        yield "metrics_zonemta", zonemta_values(sample.zonemta)
    if sample.queue is not None:
        yield "mail_queue_snapshots", queue_values(sample.queue)


def _of_haraka(sample: wire.HarakaSample) -> Iterator[Row]:
    yield "metrics_haraka", msgspec.structs.asdict(sample.haraka)


def _of_wildduck(sample: wire.WildDuckSample) -> Iterator[Row]:
    yield "metrics_wildduck", wildduck_values(sample.wildduck)


def _of_mongodb(sample: wire.MongoDbSample) -> Iterator[Row]:
    yield "metrics_mongodb", msgspec.structs.asdict(sample.mongodb)


def _of_redis(sample: wire.RedisSample) -> Iterator[Row]:
    yield "metrics_redis", msgspec.structs.asdict(sample.redis)


def _of_rspamd(sample: wire.RspamdSample) -> Iterator[Row]:
    yield "metrics_rspamd", rspamd_values(sample.rspamd)


def _of_agent(sample: wire.AgentSample) -> Iterator[Row]:
    yield "metrics_agent", msgspec.structs.asdict(sample.agent)


_ROWS: Mapping[type[wire.Sample], Callable[[Any], Iterator[Row]]] = {
    wire.SystemSample: _of_system,
    wire.ZoneMtaSample: _of_zonemta,
    wire.HarakaSample: _of_haraka,
    wire.WildDuckSample: _of_wildduck,
    wire.MongoDbSample: _of_mongodb,
    wire.RedisSample: _of_redis,
    wire.RspamdSample: _of_rspamd,
    wire.AgentSample: _of_agent,
}
