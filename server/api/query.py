"""What the query strings of the reading endpoints have in common."""

from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from server.rollups.mail.queries import OUTCOMES
from server.rollups.plan import (
    RANGES,
    WIDTHS,
    BadRange,
    Buckets,
    Span,
    parse_span,
    plan_counts,
)
from server.rollups.retention import oldest_counts

MAX_TEXT = 255


@extend_schema_field(OpenApiTypes.DATETIME)
class AwareTimeField(serializers.Field[datetime, str, str, Any]):
    """A time with its offset from UTC, such as 2026-11-21T12:00:00Z."""

    default_error_messages = {
        "invalid": "Not a time like 2026-11-21T12:00:00Z.",
        "naive": "Without an offset it is not known when that is: write 2026-11-21T12:00:00Z.",
    }

    def to_internal_value(self, data: Any) -> datetime:
        """Return the time in UTC. A `+` that came unescaped, as a space, is understood."""
        try:
            at = datetime.fromisoformat(str(data).strip().replace(" ", "+"))
            if at.tzinfo is None:
                self.fail("naive")
            return at.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid")

    def to_representation(self, value: datetime) -> str:
        """Return RFC 3339."""
        return value.isoformat().replace("+00:00", "Z")


class SpanQuery(serializers.Serializer[Any]):
    """A stretch of time: `range`, or `from` and `to`."""

    range = serializers.ChoiceField(
        choices=list(RANGES), required=False, help_text="So long until now (default 24h)."
    )
    to = AwareTimeField(required=False, help_text="Default: now.")

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which Python does not let a class say."""
        text = "Instead of `range`: a time with its offset, such as 2026-11-21T12:00:00Z."
        return {**super().get_fields(), "from": AwareTimeField(required=False, help_text=text)}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Make the `span` of the three."""
        try:
            attrs["span"] = parse_span(
                attrs.pop("range", None),
                attrs.pop("from", None),
                attrs.pop("to", None),
                now=timezone.now(),
            )
        except BadRange as error:
            raise serializers.ValidationError({"range": str(error)}) from error
        return attrs


class BucketsQuery(SpanQuery):
    """A stretch of time in buckets."""

    width = serializers.ChoiceField(
        choices=list(WIDTHS),
        required=False,
        help_text="Of a bucket. Default: 5m under 6 h, 1h up to 7 d, 1d above.",
    )
    tz = serializers.CharField(
        default="UTC", max_length=64, help_text="Where days begin at midnight: Europe/Berlin."
    )

    def validate_tz(self, value: str) -> ZoneInfo:
        """Return the zone."""
        if value not in _zones():
            raise serializers.ValidationError("Not a time zone of the IANA's list.")
        return ZoneInfo(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Make the `buckets`."""
        attrs = super().validate(attrs)
        span: Span = attrs.pop("span")
        width = attrs.pop("width", None)
        try:
            attrs["buckets"] = plan_counts(
                span,
                width=WIDTHS[width] if width else None,
                zone=attrs.pop("tz"),
                oldest=oldest_counts(span.now),
            )
        except BadRange as error:
            raise serializers.ValidationError({"range": str(error)}) from error
        attrs["now"] = span.now
        return attrs


class DirectionQuery(BucketsQuery):
    """The same of one direction."""

    direction = serializers.ChoiceField(choices=list(OUTCOMES), default="outbound")


class SpanAnswer(serializers.Serializer[Any]):
    """What the answer covers. Edges lie outwards of what was asked, on whole buckets."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField(help_text="Left out; may be later than now.")
    level = serializers.CharField(help_text="The level read: 1m, 5m, 1h or daily.")
    width_s = serializers.IntegerField(help_text="Of a bucket; days may be an hour off.")
    cut = serializers.BooleanField(help_text="What was asked began before the oldest counts.")


def span_answer(buckets: Buckets) -> dict[str, Any]:
    """Return the values of SpanAnswer."""
    return {
        "start": buckets.start,
        "end": buckets.end,
        "level": buckets.level.name,
        "width_s": int(buckets.width.total_seconds()),
        "cut": buckets.cut,
    }


@cache
def _zones() -> set[str]:
    return available_timezones()
