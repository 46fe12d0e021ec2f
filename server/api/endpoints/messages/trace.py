"""/trace: the story of one message over all programs and nodes, and messages to choose from."""

from datetime import datetime
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.exceptions import APIException

from server.api.permissions import NOT_FOUND, REFUSALS
from server.api.query_params import SpanQuery, TextFilter
from server.api.views import query_view
from server.events.replies import find_reply
from server.rollups.plan import Span
from server.trace import queries
from server.trace.identifiers import MAX_CHARS, Identifier, identify, parse_identifier
from server.trace.timeline import Message, Recipient, Step, Trace, walk

TOO_SLOW = {503: OpenApiResponse(description="It took too long, and was given up.")}
#: Columns of an event that a step has as they are.
STEP_COLUMNS = (
    "event_id", "event_type", "queue_seq", "client_ip", "sending_ip", "mx_host", "tls",
    "status_code", "bounce_category", "bounce_class", "attempt", "delivery_time_ms", "zone",
    "spam_score", "spam_action", "spf_result", "dkim_result", "dmarc_result", "mailbox",
    "filter_outcome", "wildduck_id", "source", "certainty",
)  # fmt: skip


#: Of a story, beside its messages.
FIELDS = ("text", "level", "is_over", "first_at", "last_at", "nodes", "limits")


class TooSlow(APIException):
    """A trace or a search that was given up."""

    status_code = 503
    default_detail = "It took too long, and was given up. Name a queue id, or a shorter range."


class TraceQuery(serializers.Serializer[Any]):
    """Query of /trace."""

    id = serializers.CharField(
        max_length=MAX_CHARS,
        source="identifier",
        help_text="A Message-ID, ZoneMTA's or WildDuck's id, Haraka's transaction or an event_id.",
    )
    to_address = TextFilter(help_text="Of this recipient alone, in any case.")

    def validate_id(self, value: str) -> Identifier:
        identifier = parse_identifier(value)
        if identifier is None:
            raise serializers.ValidationError(
                "Not a Message-ID, ZoneMTA's or WildDuck's id, Haraka's transaction or event_id."
            )
        return identifier


class MessagesQuery(SpanQuery):
    """Query of /trace/messages: sender, recipient or both."""

    from_address = TextFilter()
    to_address = TextFilter()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("from_address") and not attrs.get("to_address"):
            raise serializers.ValidationError({"to_address": "Name a sender or a recipient."})
        return super().validate(attrs)


class EndingAnswer(serializers.Serializer[Any]):
    """Where the chain of a recipient ends, and why. `next_at`: when something more is expected, by
    the defaults of the programs."""

    state = serializers.CharField()
    level = serializers.CharField()
    text = serializers.CharField()
    is_over = serializers.BooleanField(help_text="Nothing more will come.")
    at = serializers.DateTimeField(allow_null=True)
    next_at = serializers.DateTimeField(allow_null=True)


class StepAnswer(serializers.Serializer[Any]):
    """One event. `to_next_s`: until the next step of the recipient."""

    at = serializers.DateTimeField()
    program = serializers.CharField()
    node = serializers.CharField()
    to_next_s = serializers.FloatField(allow_null=True)
    reply = serializers.CharField(allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        numbers = {
            "status_code": serializers.IntegerField(allow_null=True),
            "attempt": serializers.IntegerField(allow_null=True),
            "delivery_time_ms": serializers.IntegerField(allow_null=True),
            "spam_score": serializers.FloatField(allow_null=True),
        }
        columns = {name: serializers.CharField(allow_null=True) for name in STEP_COLUMNS}
        return {**super().get_fields(), **columns, **numbers}


class RecipientAnswer(serializers.Serializer[Any]):
    """What happened for one recipient, oldest first."""

    address = serializers.CharField(allow_blank=True)
    account = serializers.CharField(allow_blank=True)
    ending = EndingAnswer()
    steps = StepAnswer(many=True)


class MessageAnswer(serializers.Serializer[Any]):
    """One transaction of Haraka or message of a queue, after what caused it."""

    queue_id = serializers.CharField(allow_blank=True)
    depth = serializers.IntegerField(help_text="0: the beginning of the story.")
    cause = serializers.CharField(
        allow_blank=True, help_text="forward, autoreply, dsn …, or same Message-ID"
    )
    cause_event_id = serializers.CharField(allow_blank=True)
    program = serializers.CharField()
    from_address = serializers.CharField(allow_blank=True)
    account = serializers.CharField(allow_blank=True)
    message_id = serializers.CharField(allow_blank=True)
    recipients_count = serializers.IntegerField()
    endings = serializers.DictField(
        child=serializers.IntegerField(), help_text="Recipients by `state`."
    )
    recipients = RecipientAnswer(many=True, help_text="At most 50, those that failed first.")


class TraceAnswer(serializers.Serializer[Any]):
    """A story. `limits`: what was left out."""

    text = serializers.CharField(help_text="The ending in one sentence.")
    level = serializers.CharField()
    is_over = serializers.BooleanField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    nodes = serializers.ListField(child=serializers.CharField())
    limits = serializers.ListField(child=serializers.CharField())
    messages = MessageAnswer(many=True)


class CandidateAnswer(serializers.Serializer[Any]):
    """The newest event of one message."""

    id = serializers.CharField(help_text="The `id` to trace it by.")
    at = serializers.DateTimeField()
    event_type = serializers.CharField()
    direction = serializers.CharField()
    from_address = serializers.CharField(allow_null=True)
    to_address = serializers.CharField(allow_null=True)
    message_id = serializers.CharField(allow_null=True)


class MessagesAnswer(serializers.Serializer[Any]):
    """Messages between two addresses, newest first, at most 20."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    messages = CandidateAnswer(many=True)


def build_trace(*, identifier: Identifier, to_address: str = "") -> dict[str, Any]:
    try:
        trace = queries.trace(identifier, timezone.now(), to_address=to_address)
    except TimeoutError as error:
        raise TooSlow from error
    if trace is None:
        raise Http404("no event of it is stored")
    return build_trace_answer(trace)


def build_trace_answer(trace: Trace) -> dict[str, Any]:
    """Return the values of TraceAnswer. Pure."""
    return {
        **{name: getattr(trace, name) for name in FIELDS},
        "messages": [_build_message(*each) for each in walk(trace.messages)],
    }


def _build_message(depth: int, cause_id: str, message: Message) -> dict[str, Any]:
    return {
        "queue_id": message.queue_id,
        "depth": depth,
        "cause": message.cause,
        "cause_event_id": cause_id,
        "program": message.program,
        "from_address": message.sender,
        "account": message.account,
        "message_id": message.message_id,
        "recipients_count": message.recipients_count,
        "endings": message.endings,
        "recipients": [_build_recipient(each) for each in message.recipients],
    }


def _build_recipient(recipient: Recipient) -> dict[str, Any]:
    return {
        "address": recipient.address,
        "account": recipient.account,
        "ending": vars(recipient.ending),
        "steps": [_build_step(each) for each in recipient.steps],
    }


def _build_step(step: Step) -> dict[str, Any]:
    event = step.event
    return {
        "at": event["occurred_at"],
        "program": step.program,
        "node": event["mta_node"],
        "to_next_s": step.to_next_s,
        "reply": find_reply(event),
        **{name: event[name] for name in STEP_COLUMNS},
    }


def build_messages(*, span: Span, from_address: str = "", to_address: str = "") -> dict[str, Any]:
    rows = queries.find_messages(from_address, to_address, span.start, span.end)
    if rows is None:
        raise TooSlow
    return {"start": span.start, "end": span.end, "messages": [_build_candidate(r) for r in rows]}


def _build_candidate(event: dict[str, Any]) -> dict[str, Any]:
    at: datetime = event["occurred_at"]
    names = ("event_type", "direction", "from_address", "to_address", "message_id")
    return {
        "id": identify(event),
        "at": at,
        **{name: event[name] for name in names},
    }


TraceView = query_view(
    build_trace,
    TraceQuery,
    TraceAnswer,
    operation_id="v1_trace",
    summary="The story of one message",
    refusals={**REFUSALS, **NOT_FOUND, **TOO_SLOW},
)
MessagesView = query_view(
    build_messages,
    MessagesQuery,
    MessagesAnswer,
    operation_id="v1_trace_messages",
    summary="Messages between two addresses, to trace one of",
    refusals={**REFUSALS, **TOO_SLOW},
)
