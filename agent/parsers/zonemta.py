"""Parsers of ZoneMTA's HTTP API: its own counters, and the sizes of its zones' queues."""

from collections.abc import Mapping

import msgspec

from agent.parsers import prometheus
from agent.parsers.values import count, text
from agent.samples import ZoneDeliveries, ZoneMtaReadings, ZoneQueue

MAX_ZONES = 200
DELIVERIES = "zonemta_delivery_status"


class _Entry(msgspec.Struct, frozen=True):
    key: str
    value: int


class _Side(msgspec.Struct, frozen=True):
    entries: list[_Entry] = []


class _Counter(msgspec.Struct, frozen=True):
    active: _Side
    deferred: _Side


def parse_metrics(body: str, *, unreadable: list[str] | None = None) -> ZoneMtaReadings:
    """Return the counters of /metrics: the master's, since it started. A series exists only after
    its first event, so a missing one is 0; one that cannot be read is None, and its line is added
    to `unreadable`. Raises ValueError for another program's, and when deliveries are incomplete."""
    all_series = prometheus.parse(body)
    if not any(series.name.startswith("zonemta_") for series in all_series):
        raise ValueError("no zonemta_ series in it")
    if unreadable is not None:
        unreadable += all_series.unreadable
    if DELIVERIES in all_series.unknown:
        # Without them the sums would fall, as if ZoneMTA had started anew.
        raise ValueError(f"a line of {DELIVERIES} cannot be read")

    def number(name: str, **labels: str) -> int | None:
        if name in all_series.unknown:
            return None
        values = (
            series.value
            for series in all_series
            if series.name == name and labels.items() <= series.labels.items()
        )
        return count(sum(values))

    deliveries = [
        ZoneDeliveries(
            zone=text(series.labels.get("zone")) or "",
            status=text(series.labels.get("status")) or "",
            count=count(series.value) or 0,
        )
        for series in all_series
        if series.name == DELIVERIES
    ]
    return ZoneMtaReadings(
        started_at_s=number("process_start_time_seconds") or None,
        deliveries=deliveries[:MAX_ZONES],
        messages_taken_count=number("zonemta_message_push", result="success"),
        messages_failed_count=number("zonemta_message_push", result="fail"),
        bounces_made_count=number("zonemta_bounce_generation"),
        dropped_count=number("zonemta_message_drop"),
        blacklisted_count=number("zonemta_blacklisted"),
        connections_reused_count=number("zonemta_connection_reuses"),
    )


def parse_zones(body: bytes) -> list[ZoneQueue]:
    """Return each zone's queue from the body of /counter/zone/. Raises ValueError."""
    answer = msgspec.json.decode(body, type=_Counter)
    active = {text(entry.key) or "": count(entry.value) or 0 for entry in answer.active.entries}
    deferred = {text(entry.key) or "": count(entry.value) or 0 for entry in answer.deferred.entries}
    return zone_queues(active, deferred)


def zone_queues(active: Mapping[str, int], deferred: Mapping[str, int]) -> list[ZoneQueue]:
    """Return the queues of zones from their recipients due now and due later."""
    names = sorted(active.keys() | deferred.keys())[:MAX_ZONES]
    return [ZoneQueue(name, active.get(name, 0), deferred.get(name, 0)) for name in names]
