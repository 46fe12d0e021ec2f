"""Query parameters that several endpoints share, validated."""

from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from server.events.vocabulary import DIRECTIONS
from server.metrics.catalogue import SampleKind
from server.rollups.levels import DETAILS
from server.rollups.plan import (
    RANGES,
    WIDTHS,
    YEARS,
    BadRange,
    Span,
    parse_span,
    plan_counts,
    plan_samples,
)
from server.rollups.retention import oldest_counts, oldest_samples

MAX_TEXT_CHARS = 255
#: Text to compare with. DRF refuses a NUL character, which PostgreSQL does not have.
TextFilter = partial(
    serializers.CharField, max_length=MAX_TEXT_CHARS, required=False, trim_whitespace=False
)
find_zones = cache(available_timezones)
#: A grouping by its name in the API → the dimension of the levels.
GROUPINGS = {
    "domain": "from_domain",
    "destination": "to_domain",
    "node": "node",
    "ip": "sending_ip",
    "zone": "zone",
    **{name: name for name in DETAILS},
}


def parse_query(
    serializer: type[serializers.Serializer[Any]], request: Request, **context: Any
) -> dict[str, Any]:
    """Return the validated query parameters of a request. Raises ValidationError."""
    query = serializer(data=request.query_params, context=context)
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)


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
            at = at.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid")
        if at.year not in YEARS:
            self.fail("invalid")
        return at

    def to_representation(self, value: datetime) -> str:
        """Return RFC 3339."""
        return value.isoformat().replace("+00:00", "Z")


class SpanQuery(serializers.Serializer[Any]):
    """A range of time: `range`, or `from` and `to`."""

    range = serializers.ChoiceField(
        choices=list(RANGES), required=False, help_text="So long until now (default 24h)."
    )
    to = AwareTimeField(required=False, help_text="Default: now.")

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which is a keyword of Python."""
        text = "Instead of `range`: a time with its offset, such as 2026-11-21T12:00:00Z."
        return {**super().get_fields(), "from": AwareTimeField(required=False, help_text=text)}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Make the `span` of the three, and what is planned for it."""
        start, end = attrs.pop("from", None), attrs.pop("to", None)
        try:
            span = parse_span(attrs.pop("range", None), start, end, now=timezone.now())
            return self.plan(span, attrs)
        except BadRange as error:
            raise serializers.ValidationError({"range": str(error)}) from error

    def plan(self, span: Span, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return `attrs` with the span, or with its buckets. Raises BadRange."""
        return {**attrs, "span": span}


class BucketsQuery(SpanQuery):
    """A range of time in buckets of counts."""

    width = serializers.ChoiceField(
        choices=list(WIDTHS),
        required=False,
        help_text="Of a bucket. Default: 5m under 6 h, 1h up to 7 d, 1d above.",
    )
    tz = serializers.CharField(
        default="UTC", max_length=64, help_text="Where days begin at midnight: Europe/Berlin."
    )

    def validate_tz(self, value: str) -> ZoneInfo:
        if value not in find_zones():
            raise serializers.ValidationError("Not a time zone of the IANA's list.")
        return ZoneInfo(value)

    def plan(self, span: Span, attrs: dict[str, Any]) -> dict[str, Any]:
        width, zone = WIDTHS.get(attrs.pop("width", "")), attrs.pop("tz")
        buckets = plan_counts(span, width=width, zone=zone, oldest=oldest_counts(span.now))
        return {**attrs, "buckets": buckets, "now": span.now}


class DirectionQuery(BucketsQuery):
    """The same of one direction."""

    direction = serializers.ChoiceField(choices=DIRECTIONS, default="outbound")


class DestinationsQuery(DirectionQuery):
    """The same with the largest destinations."""

    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=20, help_text="Most destinations, largest first."
    )


class SampleBucketsQuery(SpanQuery):
    """A range of time in buckets, of one kind of samples: that of the context, or of the class."""

    sample_kind: ClassVar[SampleKind]

    width = serializers.ChoiceField(
        choices=list(WIDTHS),
        required=False,
        help_text="Of a bucket. Default: 1m up to 2 h, 5m to 12 h, 15m to 2 d, 1h to 31 d, 1d.",
    )

    def plan(self, span: Span, attrs: dict[str, Any]) -> dict[str, Any]:
        kind: SampleKind = self.context.get("kind") or self.sample_kind
        width = WIDTHS.get(attrs.pop("width", ""))
        buckets = plan_samples(span, width=width, oldest=oldest_samples(kind, span.now))
        return {**attrs, "buckets": buckets, "now": span.now}
