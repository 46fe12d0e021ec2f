"""/email/sending-ips: every address that mail was sent from, and how its mail fares."""

import csv
import io
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from server.api.answers import SpanAnswer, build_span
from server.api.csv_safe import csv_cell
from server.api.permissions import REFUSALS, ReadView
from server.api.query_params import SpanQuery, parse_query
from server.api.views import query_view
from server.profiles.inventory import Row, read_inventory
from server.profiles.kinds import IP
from server.rollups.plan import Span

COLUMNS = (
    "ip", "node", "zone", "attempts_1h", "attempts_24h", "attempts", "delivered", "deferred",
    "bounced", "refused_ratio", "refused_by", "refused_by_count", "first_used_at", "last_used_at",
)  # fmt: skip


class SendingIpsQuery(SpanQuery):
    """Query of /email/sending-ips."""


class SendingIpAnswer(serializers.Serializer[Any]):
    """One address. Counts are of the range, but for those of the last hour and 24 hours."""

    ip = serializers.CharField()
    node = serializers.CharField(allow_null=True, help_text="Of its newest attempt.")
    zone = serializers.CharField(allow_null=True)
    attempts_1h = serializers.IntegerField()
    attempts_24h = serializers.IntegerField()
    attempts = serializers.IntegerField()
    delivered = serializers.IntegerField()
    deferred = serializers.IntegerField()
    bounced = serializers.IntegerField()
    refused_ratio = serializers.FloatField(allow_null=True, help_text="Null: no attempt.")
    refused_by = serializers.CharField(
        allow_null=True,
        help_text="The provider that refused most of it in the newest week of the range.",
    )
    refused_by_count = serializers.IntegerField()
    first_used_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class SendingIpsAnswer(SpanAnswer):
    """All addresses, those with most attempts first."""

    ips = SendingIpAnswer(many=True)


def build_sending_ips(*, span: Span) -> dict[str, Any]:
    inventory = read_inventory(IP, span.start, span.end, now=span.now)
    rows = sorted(inventory.rows, key=lambda row: (-row.counts.attempts, row.name))
    return {**build_span(inventory.buckets), "ips": [_build_row(row) for row in rows]}


def _build_row(row: Row) -> dict[str, Any]:
    seen, counts = row.seen, row.counts
    values = (
        row.name,
        (seen and seen.node) or None,
        (seen and seen.zone) or None,
        row.hour,
        row.day,
        counts.attempts,
        counts.delivered,
        counts.deferred,
        counts.bounced,
        counts.refused_ratio,
        row.refused_by or None,
        row.refused_count,
        seen and seen.first_used_at,
        seen and seen.last_used_at,
    )
    return dict(zip(COLUMNS, values, strict=True))


SendingIpsView = query_view(
    build_sending_ips,
    SendingIpsQuery,
    SendingIpsAnswer,
    summary="Sending IPs",
    is_cached=True,
    has_addresses=True,
)


class SendingIpsCsvView(ReadView):
    """The same as a file for spreadsheets, which find no formulas in it."""

    @extend_schema(
        parameters=[SendingIpsQuery],
        summary="Sending IPs as CSV",
        responses={(200, "text/csv"): OpenApiTypes.STR, **REFUSALS},
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer all of them."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for row in build_sending_ips(**parse_query(SendingIpsQuery, request))["ips"]:
            writer.writerow([csv_cell(row[name]) for name in COLUMNS])
        headers = {"Content-Disposition": 'attachment; filename="sending-ips.csv"'}
        return HttpResponse(
            text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers
        )
