"""Rows of a decoded sample, in the tables that the catalogue names, without their node. Pure."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import asdict

from server.metrics import catalogue, wire
from server.metrics.catalogue import SampleKind
from server.metrics.mail_queue import MailQueue
from server.metrics.measures import MAX_TOTAL

#: Kind and the values of one row of its table, by column; `node_id` is the node's name still.
Row = tuple[SampleKind, dict[str, Any]]
Columns = Callable[[Any], dict[str, Any]]


def rows(sample: wire.Sample) -> Iterator[Row]:
    key = {"node_id": sample.node_id, "time": sample.timestamp}
    for kind, values in _rows(sample):
        yield kind, key | values


def _rows(sample: wire.Sample) -> Iterator[Row]:
    if isinstance(sample, wire.SystemSample):
        yield from _system_rows(sample)
    elif isinstance(sample, wire.ZoneMtaSample):
        if sample.zonemta is not None:
            yield catalogue.ZONEMTA, zonemta_values(sample.zonemta)
        if sample.queue is not None:
            yield catalogue.MAIL_QUEUE, queue_values(sample.queue)
    else:
        name = sample.__struct_fields__[-1]
        values: Columns = _VALUES.get(name, asdict)
        yield _KINDS[name], values(getattr(sample, name))


def _system_rows(sample: wire.SystemSample) -> Iterator[Row]:
    yield catalogue.SYSTEM, system_values(sample)
    for name, process in sample.processes.items():
        yield catalogue.PROCESS, asdict(process) | {"process": name}
    for name, is_open in sample.services.items():
        yield catalogue.SERVICE, {"service": name, "is_open": is_open}


def system_values(sample: wire.SystemSample) -> dict[str, Any]:
    """Return the columns of metrics_system, all but node and time."""
    values = asdict(sample.system)
    cores = sorted(values.pop("cpu_cores") or (), key=lambda core: core.core)
    percents = [core.percent for core in cores]
    load_avg = values.pop("load_avg") or (None, None, None)
    return values | asdict(catalogue.SystemColumns(percents, *load_avg))


def zonemta_values(readings: wire.ZoneMta) -> dict[str, Any]:
    """Return the columns of metrics_zonemta: the deliveries as they came, and by status."""
    sums = dict.fromkeys(catalogue.ZoneMtaColumns.__struct_fields__, 0)
    for each in readings.deliveries:
        if (column := f"{each.status}_total") in sums:
            sums[column] = min(sums[column] + each.count, MAX_TOTAL)
    return asdict(readings) | sums


def rspamd_values(readings: wire.Rspamd) -> dict[str, Any]:
    """Return the columns of metrics_rspamd: the actions as they came, and each by itself."""
    by_action = dict.fromkeys(catalogue.RspamdColumns.__struct_fields__)
    for each in readings.actions or ():
        if (column := f"action_{each.action.replace(' ', '_')}_total") in by_action:
            by_action[column] = each.count
    return asdict(readings) | by_action


def wildduck_values(readings: wire.WildDuck) -> dict[str, Any]:
    """Return the columns of metrics_wildduck: the lists as they came, and their sums."""
    known, services = readings.connections, readings.services
    sums = catalogue.WildDuckColumns(
        connections_count=None
        if known is None
        else min(sum(each.count for each in known), MAX_TOTAL),
        services_down_count=None if services is None else sum(not each.is_up for each in services),
    )
    return asdict(readings) | asdict(sums)


def queue_values(queue: MailQueue) -> dict[str, Any]:
    """Return the columns of mail_queue_snapshots, all but node and time."""
    columns = catalogue.MailQueueColumns(database=queue.database or "")
    return asdict(queue) | asdict(columns)


_KINDS = {kind.name: kind for kind in catalogue.METRICS}
#: Kind → columns of its payload, where they are not just its fields.
_VALUES: dict[str, Columns] = {"rspamd": rspamd_values, "wildduck": wildduck_values}
