"""/email/events: search of the raw events, one event, and whole files."""

import base64
import binascii
import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.api.csv_safe import csv_cell
from server.api.permissions import NOT_FOUND, REFUSALS, ReadView
from server.api.query_params import SpanQuery, TextFilter, parse_query
from server.api.views import query_view
from server.events import queries, search_values
from server.events.bounce_classes.classes import CLASSES
from server.events.columns import COLUMNS as EVENT_COLUMNS
from server.events.queries import COLUMNS, FILTERS, Position
from server.events.vocabulary import (
    ALL_DIRECTIONS,
    BOUNCE_TYPES,
    CERTAINTIES,
    EVENT_TYPES,
    ORIGINS,
)
from server.http.client_address import validate_no_zone
from server.rollups.plan import YEARS, BadRange, Span

MAX_PAGE = 1_000
EXPORT_PAGE = 2_000
MAX_EXPORT = 1_000_000


#: PostgreSQL's type of a column → the field that describes its values.
FIELD_OF_TYPE: dict[str, Callable[..., serializers.Field[Any, Any, Any, Any]]] = {
    "timestamptz": serializers.DateTimeField,
    "uuid": serializers.UUIDField,
    "text": serializers.CharField,
    "text[]": lambda **more: serializers.ListField(child=serializers.CharField(), **more),
    "inet": serializers.CharField,
    "boolean": serializers.BooleanField,
    "double precision": serializers.FloatField,
    "smallint": partial(serializers.IntegerField, min_value=-(2**15), max_value=2**15 - 1),
    "integer": partial(serializers.IntegerField, min_value=-(2**31), max_value=2**31 - 1),
    "bigint": partial(serializers.IntegerField, min_value=-(2**63), max_value=2**63 - 1),
}


def _checked(check: Callable[[str], object]) -> Callable[[str], None]:
    """Return the validator of values that `check` takes."""

    def validate(text: str) -> None:
        try:
            check(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error

    return validate


class EventsFilter(SpanQuery):
    """Query of a search: values that must be equal, of addresses and domains in any case; lists,
    ranges, wildcards and words where it is written so."""

    type = TextFilter(
        source="event_type",
        validators=[_checked(search_values.check_types)],
        help_text=f"One or several with commas: {', '.join(EVENT_TYPES)}.",
    )
    direction = serializers.ChoiceField(choices=ALL_DIRECTIONS, required=False)
    mta_node = TextFilter(
        validators=[_checked(search_values.check_nodes)], help_text="One or several with commas."
    )
    message_id = TextFilter()
    queue_id = TextFilter()
    from_address = TextFilter()
    from_domain = TextFilter(validators=[_checked(search_values.check_domain)])
    to_address = TextFilter()
    to_domain = TextFilter(
        validators=[_checked(search_values.check_domain)],
        help_text="`*.example.com`: every domain below it.",
    )
    sending_ip = serializers.IPAddressField(required=False, validators=[validate_no_zone])
    mx_host = TextFilter()
    status_code = TextFilter(
        validators=[_checked(search_values.check_codes)], help_text="451, 450-459 or 4xx."
    )
    reply = TextFilter(
        validators=[_checked(search_values.check_words)],
        help_text="Words of the reply of mail that did not go on; of 7 days at most.",
    )
    bounce_type = serializers.ChoiceField(choices=BOUNCE_TYPES, required=False)
    bounce_category = TextFilter()
    zone = TextFilter()
    certainty = serializers.ChoiceField(choices=CERTAINTIES, required=False)
    provider = TextFilter()
    bounce_class = serializers.ChoiceField(choices=list(CLASSES), required=False)
    reply_fingerprint = TextFilter()
    auth_user = TextFilter()
    account = TextFilter()
    origin = serializers.ChoiceField(choices=ORIGINS, required=False)
    parent_id = TextFilter()
    wildduck_id = TextFilter()
    caused_queue_id = TextFilter()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Gather the `filters`. A search by id without a range covers all that is retained."""
        by_id = any(name in attrs for name in queries.FOUND_BY_ID)
        if by_id and not {"range", "from"} & attrs.keys():
            retention = timedelta(days=settings.EVENTS_RETENTION_DAYS)
            attrs["from"] = timezone.now() - retention
        attrs = super().validate(attrs)
        attrs["filters"] = {name: attrs.pop(name) for name in FILTERS if name in attrs}
        return attrs

    def plan(self, span: Span, attrs: dict[str, Any]) -> dict[str, Any]:
        """Cut the span to what is retained."""
        days = settings.EVENTS_RETENTION_DAYS
        oldest = span.now - timedelta(days=days)
        if span.end <= oldest:
            raise BadRange(f"events are kept for {days} days only")
        if "reply" in attrs and span.end - span.start > search_values.MAX_WORDS_SPAN:
            raise BadRange(f"words are looked for in {search_values.MAX_WORDS_SPAN.days} days only")
        is_cut = span.start < oldest
        return {**attrs, "span": replace(span, start=max(span.start, oldest)), "cut": is_cut}


class EventsQuery(EventsFilter):
    """Query of a page."""

    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=100)
    cursor = serializers.CharField(
        max_length=100, required=False, help_text="`next` of the page before."
    )

    def validate_cursor(self, value: str) -> Position:
        try:
            at, _, event_id = base64.urlsafe_b64decode(value.encode()).decode().partition("|")
            place = Position(datetime.fromisoformat(at), UUID(event_id))
            if place.occurred_at.tzinfo is None or place.occurred_at.year not in YEARS:
                raise ValueError(at)
        except (ValueError, binascii.Error, OverflowError) as error:
            raise serializers.ValidationError("Not the `next` of a page.") from error
        return place


class ExportQuery(EventsFilter):
    """Query of a file."""

    limit = serializers.IntegerField(min_value=1, max_value=MAX_EXPORT, default=100_000)


class EventAnswer(serializers.Serializer[dict[str, Any]]):
    """One event, all of it."""

    received_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        fields = {}
        for name, sql_type, *_ in EVENT_COLUMNS:
            is_required = sql_type.endswith(" NOT NULL")
            make = FIELD_OF_TYPE[sql_type.removesuffix(" NOT NULL")]
            fields[name] = make(required=is_required, allow_null=not is_required)
        return {**fields, **super().get_fields()}


class EventsAnswer(serializers.Serializer[Any]):
    """One page, newest first."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    cut = serializers.BooleanField(help_text="The range began before the oldest events.")
    events = EventAnswer(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="The `cursor` of the page after this; null: there is none."
    )


def build_events(
    *, span: Span, cut: bool, filters: dict[str, Any], limit: int, cursor: Position | None = None
) -> dict[str, Any]:
    events = queries.search(span.start, span.end, filters, limit=limit + 1, after=cursor)
    page = events[:limit]
    return {
        "start": span.start,
        "end": span.end,
        "cut": cut,
        "events": page,
        "next": _cursor(page[-1]) if len(events) > limit else None,
    }


def csv_lines(*, span: Span, filters: dict[str, Any], limit: int, **_: Any) -> Iterator[str]:
    """Yield the lines of a CSV file, one for the names of the columns first."""
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    for event in queries.search_all(span.start, span.end, filters, limit=limit, page=EXPORT_PAGE):
        writer.writerow([csv_cell(event[name]) for name in COLUMNS])
        if line.tell() > io.DEFAULT_BUFFER_SIZE:
            yield line.getvalue()
            line.seek(0)
            line.truncate()
    yield line.getvalue()


def json_lines(*, span: Span, filters: dict[str, Any], limit: int, **_: Any) -> Iterator[str]:
    """Yield a JSON array of events, one a line."""
    separator = "[\n"
    for event in queries.search_all(span.start, span.end, filters, limit=limit, page=EXPORT_PAGE):
        yield separator + json.dumps(event, cls=DjangoJSONEncoder)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _cursor(event: dict[str, Any]) -> str:
    text = f"{event['occurred_at'].isoformat()}|{event['event_id']}"
    return base64.urlsafe_b64encode(text.encode()).decode()


EventsView = query_view(
    build_events,
    EventsQuery,
    EventsAnswer,
    operation_id="v1_email_events_search",
    summary="Events",
    description="Answer one page, newest first.",
)


class EventView(ReadView):
    """One raw event."""

    @extend_schema(summary="One event", responses={200: EventAnswer, **REFUSALS, **NOT_FOUND})
    def get(self, request: Request, event_id: UUID) -> Response:
        """Answer all of it."""
        event = queries.find_event(event_id)
        if event is None:
            raise Http404(f"no event {event_id}")
        return Response(event)


def _export_view(
    lines: Callable[..., Iterator[str]], name: str, content_type: str, **description: Any
) -> type[ReadView]:
    """Return the view that streams the events of a search as a file."""

    def get(view: ReadView, request: Request) -> StreamingHttpResponse:
        """Stream."""
        return StreamingHttpResponse(
            lines(**parse_query(ExportQuery, request)),
            content_type=content_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    describe = extend_schema(parameters=[ExportQuery], **description)
    return type("ExportView", (ReadView,), {"get": describe(get)})


#: For spreadsheets, which find no formulas in it.
EventsCsvView = _export_view(
    csv_lines,
    "events.csv",
    "text/csv; charset=utf-8",
    summary="Events as CSV",
    responses={(200, "text/csv"): OpenApiTypes.STR, **REFUSALS},
)
EventsJsonView = _export_view(
    json_lines,
    "events.json",
    "application/json",
    summary="Events as JSON",
    responses={200: EventAnswer(many=True), **REFUSALS},
)
