"""Parts of /email/queue about its movement: drain by provider, and zones in which nothing moves."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers

from server.mailqueues import attempts, queries
from server.mailqueues.accounting import Database, count_once
from server.mailqueues.drain import LOOKED_BACK, domains_of, forecast_drain
from server.mailqueues.silent_zones import (
    SILENT_AFTER,
    SilentZone,
    find_candidates,
    find_silent_zones,
)

MAX_PROVIDERS = 50


class DrainAnswer(serializers.Serializer[Any]):
    """Mail that waits for one provider: of the domains under `destinations`."""

    provider = serializers.CharField(allow_blank=True)
    waiting_count = serializers.IntegerField()
    drained_per_h = serializers.FloatField(
        allow_null=True,
        help_text="Net of what comes, over about an hour; negative: it grows; null: not known.",
    )
    empty_at = serializers.DateTimeField(
        allow_null=True, help_text="At that rate; null: never, or not known."
    )
    expiring_count = serializers.IntegerField(
        allow_null=True,
        help_text="Recipients that reach ZoneMTA's last attempt, or its longest time in the queue,"
        " before `empty_at`.",
    )
    expiring_24h_count = serializers.IntegerField(
        allow_null=True, help_text="Those that do within 24 hours."
    )


class SilentZoneAnswer(serializers.Serializer[Any]):
    """A zone of one queue in which mail is due and nothing is tried."""

    database = serializers.CharField(allow_null=True)
    nodes = serializers.ListField(child=serializers.CharField())
    zone = serializers.CharField(allow_blank=True)
    due_count = serializers.IntegerField()
    since = serializers.DateTimeField(help_text="For at least as long.")


def build_drain(databases: Sequence[Database], now: datetime) -> list[dict[str, Any]]:
    """Return the values of DrainAnswer, most mail first. Runs two queries."""
    earlier = count_once(queries.newest_readings(now - LOOKED_BACK), now - LOOKED_BACK)
    providers = attempts.providers_of(domains_of(databases), now)
    answers = []
    for each in forecast_drain(databases, earlier, providers)[:MAX_PROVIDERS]:
        values = asdict(each)
        left_s = values.pop("empty_in_s")
        answers.append(values | {"empty_at": _later(now, left_s)})
    return answers


def read_silent_zones(databases: Sequence[Database], now: datetime) -> list[SilentZone]:
    """Return the zones in which nothing is tried. Runs one query, three where mail is due."""
    earlier_at = now - SILENT_AFTER
    earlier = count_once(queries.newest_readings(earlier_at), earlier_at)
    candidates = find_candidates(databases, earlier, now)
    nodes = sorted({node for each in candidates for node in each.nodes})
    zones = sorted({each.zone for each in candidates})
    tried = attempts.zones_tried(nodes, zones, earlier_at, now)
    return find_silent_zones(candidates, tried)


def _later(now: datetime, left_s: float | None) -> datetime | None:
    try:
        return None if left_s is None else now + timedelta(seconds=left_s)
    except OverflowError:  # in thousands of years
        return None
