"""OpenAPI description of the ingest endpoint, which itself decodes with msgspec."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
    inline_serializer,
)
from rest_framework import serializers

from server.events.mapping import INVALID, NO_NODE, TIME_AHEAD, TOO_OLD
from server.events.wire import Event
from server.ingest.parsing.batch import Envelope
from server.ingest.parsing.registration import Registration
from server.metrics.wire import SAMPLES

View = TypeVar("View")
(EVENT, ENVELOPE, REGISTRATION, *OF_SAMPLES), COMPONENTS = msgspec.json.schema_components(
    [Event, Envelope, Registration, *SAMPLES.values()],
    ref_template="#/components/schemas/{name}",
)
SAMPLE = dict(zip(SAMPLES, OF_SAMPLES, strict=True))
# The decoder leaves each as raw JSON: one event, decoded by itself.
COMPONENTS["Envelope"]["properties"]["events"]["items"] = EVENT


def add_wire_components(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the decoded structs to the description: a hook of drf-spectacular."""
    result["components"]["schemas"].update(COMPONENTS)
    return result


def one_or_many(item: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one item or an array of them."""
    return {"oneOf": [item, {"type": "array", "items": item}]}


ACCEPTED = inline_serializer(
    "Accepted",
    {
        "queued": serializers.IntegerField(help_text="Items durably accepted."),
        "rejected": serializers.ListField(
            child=inline_serializer(
                "Rejected",
                {
                    "index": serializers.IntegerField(),
                    "code": serializers.ChoiceField([INVALID, TIME_AHEAD, NO_NODE, TOO_OLD]),
                    "error": serializers.CharField(),
                },
            ),
            help_text="Items refused, each with its reason. Those of code `time_ahead` and"
            " `no_node` may be sent again later, no others.",
        ),
    },
)
REFUSALS = {
    400: OpenApiResponse(description="The body cannot be read."),
    401: OpenApiResponse(description="No key, or a wrong or revoked one."),
    403: OpenApiResponse(
        description="A key of another scope or node; nothing was accepted. Keep the batch: it is"
        " accepted once the key or the node id is mended. `key_node` and `node` name the two."
    ),
    413: OpenApiResponse(description="Too large, on the wire or unpacked, or too many items."),
    415: OpenApiResponse(description="A Content-Encoding other than gzip."),
    422: OpenApiResponse(description="Nothing in it was valid; `rejected` has the reasons."),
    429: OpenApiResponse(description="Over the rate of this key or address; see Retry-After."),
    503: OpenApiResponse(description="Not accepted now; see Retry-After."),
}
EVENT_EXAMPLE = {
    "event_id": "a6e612ff-3ae6-55ff-b3b7-aaf16d8eae41",
    "occurred_at": "2026-11-21T10:07:13.433Z",
    "event_type": "delivered",
    "direction": "outbound",
    "mta_node": "mta-01",
    "queue_id": "1a1fd92f960000a951",
    "from_address": "alice@corp.example",
    "to_address": "bob@good.example",
    "status_code": 250,
    "status_message": "250 2.0.0 OK",
    "delivery_time_ms": 31,
    "message_size_bytes": 782,
}
EVENT_EXAMPLES = [
    OpenApiExample("one event", value=EVENT_EXAMPLE, request_only=True),
    OpenApiExample(
        "a numbered batch",
        value={
            "epoch": "3d0c7a52-41c5-4a7e-9d3c-6f0f5b8a7d10",
            "first_seq": 41,
            "events": [EVENT_EXAMPLE],
        },
        request_only=True,
    ),
]


def describe_post(body: dict[str, Any], **description: Any) -> Callable[[type[View]], type[View]]:
    """Return the decorator of a view whose POST takes a body of this schema."""
    description.setdefault("responses", {202: ACCEPTED, **REFUSALS})
    return extend_schema_view(post=extend_schema(request={"application/json": body}, **description))


events = describe_post(
    {"oneOf": [*one_or_many(EVENT)["oneOf"], ENVELOPE]},
    summary="Send events",
    description=(
        "One event, an array of events, or a numbered batch. gzip is allowed. "
        "Each event is accepted or refused by itself."
    ),
    examples=EVENT_EXAMPLES,
)


def samples(kind: str) -> Callable[[type[View]], type[View]]:
    """Return the decorator of the view that accepts samples of a kind."""
    return describe_post(
        one_or_many(SAMPLE[kind]),
        operation_id=f"v1_metrics_{kind}_create",
        summary=f"Send {kind} samples",
        description=(
            f"{SAMPLES[kind].__doc__} One or an array of them. gzip is allowed. Each is"
            " accepted or refused by itself; readings that are not known are null or left out."
        ),
    )


REGISTERED = inline_serializer(
    "Registered",
    {"node_id": serializers.CharField(), "heartbeat_offline_after_s": serializers.IntegerField()},
)
nodes = describe_post(
    REGISTRATION,
    summary="Register a node",
    description="Creates the node, or renews what is known of it. May be repeated.",
    responses={
        200: REGISTERED,
        **{code: REFUSALS[code] for code in (400, 401, 403, 413, 415, 429)},
    },
)
