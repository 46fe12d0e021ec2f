"""Views of the ingest endpoint. Each reads, decodes, appends to the inbox, answers."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from server.events import reply_classes
from server.events.mapping import Context
from server.http.negotiation import SingleMediaType
from server.ingest import actors, openapi, rate_limit
from server.ingest.errors import DatabaseUnavailable, NodeMismatch, NothingValid
from server.ingest.inbox import EVENTS, SAMPLES, Entry
from server.ingest.parsing import clock_skew
from server.ingest.parsing.batch import Batch, parse_event_batch, parse_sample_batch
from server.ingest.parsing.body import MAX_REGISTRATION_BYTES, MAX_SAMPLES_BYTES, unpacked_body
from server.ingest.parsing.registration import read_registration
from server.nodes import contacts
from server.nodes import store as nodes
from server.nodes.authentication import ApiKeyAuthentication, KeyHolder, holder_of
from server.nodes.models import ApiKey

logger = logging.getLogger(__name__)


class IngestView(APIView):
    """Base of the ingest views: keys, scopes, raw bodies, answers to refusals.

    In a view that has a GET as well, all this is for POST alone: reading is up to another base.
    """

    http_method_names: Sequence[str] = ["get", "head", "post"]
    parser_classes: Sequence[type[BaseParser]] = []  # bodies are decoded once, with msgspec
    scopes: ClassVar[tuple[str, ...]] = (ApiKey.Scope.AGENT,)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Take a POST past DRF's requests and negotiation, which cost as much as all else does of a
        small batch. DRF answers for what is refused."""
        if request.method != "POST":
            return super().dispatch(request, *args, **kwargs)
        try:
            return self.post(request, self._admit(request))
        except Exception as error:  # noqa: BLE001 (DRF raises what it has no answer to)
            self.args, self.kwargs, self.headers = args, kwargs, self.default_response_headers
            self.request = self.initialize_request(request)
            refusal = self.handle_exception(error)
            return self.finalize_response(self.request, refusal)

    def post(self, request: HttpRequest, holder: KeyHolder) -> HttpResponse:
        """Take a body sent with a valid key."""
        raise NotImplementedError

    def _admit(self, request: HttpRequest) -> KeyHolder:
        """Return whose key it is. The address is counted before, so that guessing is slow too."""
        rate_limit.check_address(request)
        holder = holder_of(request)
        if holder.scope not in self.scopes:
            raise PermissionDenied("This key's scope does not allow this.")
        rate_limit.check_key(holder.key_id)
        return holder

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Choose authenticators and media type by the method."""
        if request.method == "POST":
            self.authentication_classes = [ApiKeyAuthentication]
            self.content_negotiation_class = SingleMediaType
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse other methods before anything is asked of the client."""
        if request.method not in self.allowed_methods:
            raise MethodNotAllowed(str(request.method))
        super().initial(request, *args, **kwargs)

    def handle_exception(self, exc: Exception) -> Response:
        """Refuse, to be sent again, what needs a database that does not answer."""
        is_post = self.request.method == "POST"
        if is_post and isinstance(exc, OperationalError | InterfaceError):
            exc = DatabaseUnavailable()
        response: Response = super().handle_exception(exc)
        return response


@openapi.events
class EventsView(IngestView):
    """Accept events. 202 means durably accepted, not yet stored."""

    scopes = (ApiKey.Scope.AGENT, ApiKey.Scope.WEBHOOK)

    def post(self, request: HttpRequest, holder: KeyHolder) -> HttpResponse:
        receipt = _Receipt.of(request, holder)
        context = receipt.context(settings.EVENTS_RETENTION_DAYS)
        reply_classes.refresh()
        with unpacked_body(request) as body:
            batch = parse_event_batch(body, context, max_events=settings.INGEST_MAX_EVENTS)
        # A numbered batch goes on even when all of it is refused: the ledger records its numbers.
        if (batch.accepted or batch.epoch) and EVENTS.append(
            _entry(receipt, batch, "\n".join(batch.accepted).encode())
        ):
            actors.write_events.send()
        contacts.note(holder)
        return _answer(batch)


class SamplesView(IngestView):
    """Accept samples of a `kind`. 202 means durably accepted, not yet stored."""

    kind: ClassVar[str]

    def post(self, request: HttpRequest, holder: KeyHolder) -> HttpResponse:
        receipt = _Receipt.of(request, holder)
        context = receipt.context(settings.METRICS_RETENTION_DAYS)
        limit = settings.INGEST_MAX_EVENTS
        with unpacked_body(request, max_bytes=MAX_SAMPLES_BYTES) as body:
            batch = parse_sample_batch(self.kind, body, context, max_samples=limit)
        rate_limit.check_new_nodes(holder, batch.sampled_nodes)
        for reason in batch.unreadable:
            _log_unreadable(reason)
        if batch.accepted and SAMPLES.append(_entry(receipt, batch, b"\n".join(batch.accepted))):
            actors.write_samples.send()
        contacts.note(holder)
        return _answer(batch)


@openapi.nodes
class RegistrationView(IngestView):
    """Register a node, or update it."""

    def post(self, request: HttpRequest, holder: KeyHolder) -> HttpResponse:
        """Create or update the node the body names. Idempotent."""
        with unpacked_body(request, max_bytes=MAX_REGISTRATION_BYTES) as body:
            details = read_registration(body)
        name = details.pop("node_id")
        if holder.node is not None and holder.node != name:
            raise NodeMismatch(holder.node, name)
        rate_limit.check_new_nodes(holder, {name})
        node = nodes.register(name, details)
        offline_after_s = settings.NODE_OFFLINE_AFTER_S
        return _json({"node_id": node.name, "heartbeat_offline_after_s": offline_after_s})


@lru_cache(maxsize=1_000)  # an agent repeats it every few seconds
def _log_unreadable(reason: str) -> None:
    logger.warning("A reading is unknown. %s", reason)


@dataclass(frozen=True)
class _Receipt:
    """Who sent a request, when it came, and how far the sender's clock is ahead; None: unknown."""

    holder: KeyHolder
    at: datetime
    ahead: timedelta | None

    @classmethod
    def of(cls, request: HttpRequest, holder: KeyHolder) -> "_Receipt":
        """Return it; to be called before the body is read. Raises InboxUnavailable."""
        now = timezone.now()
        return cls(holder, now, clock_skew.of_agent(request, holder, now))

    def context(self, retention_days: int) -> Context:
        retention = timedelta(days=retention_days)
        return Context.at(self.at, node=self.holder.node, retention=retention, ahead=self.ahead)


def _entry(receipt: _Receipt, batch: Batch, payload: bytes) -> Entry:
    ahead = receipt.ahead
    return Entry(
        node=receipt.holder.node or batch.node,
        received_at=receipt.at.timestamp(),
        count=len(batch.accepted),
        payload=payload,
        epoch=batch.epoch,
        first_seq=batch.first_seq,
        refused=len(batch.rejected),
        dropped=batch.dropped,
        refused_ranges=batch.refused_ranges,
        clock_ahead_ms=None if ahead is None else ahead // timedelta(milliseconds=1),
    )


def _answer(batch: Batch) -> HttpResponse:
    if batch.rejected and not batch.accepted:
        raise NothingValid(batch.rejected)
    answer = {"queued": len(batch.accepted), "rejected": batch.rejected}
    return _json(answer, status=HTTPStatus.ACCEPTED)


def _json(answer: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    # Encoded here: DRF's late rendering costs more than the rest of the answer.
    encoded = msgspec.json.encode(answer)
    return HttpResponse(encoded, status=status, content_type="application/json")
