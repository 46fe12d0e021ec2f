"""Views of the ingest endpoint. Each reads, decodes, appends to the inbox, answers."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.exceptions import APIException, MethodNotAllowed
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from server.events.mapping import Context
from server.http.negotiation import SingleMediaType
from server.ingest import actors, openapi, rate_limit
from server.ingest.errors import DatabaseUnavailable, NodeMismatch, NothingValid
from server.ingest.inbox import EVENTS, SAMPLES, Entry
from server.ingest.parsing.batch import Batch, parse_event_batch, parse_sample_batch
from server.ingest.parsing.body import read_body
from server.ingest.parsing.registration import read_registration
from server.ingest.permissions import MayIngest
from server.nodes import store as nodes
from server.nodes.authentication import ApiKeyAuthentication, KeyHolder
from server.nodes.models import ApiKey

logger = logging.getLogger(__name__)


class IngestView(APIView):
    """Base of the ingest views: keys, scopes, raw bodies, answers to refusals.

    In a view that has a GET as well, all this is for POST alone: reading is up to another base.
    """

    parser_classes: Sequence[type[BaseParser]] = []  # bodies are decoded once, with msgspec
    scopes: ClassVar[tuple[str, ...]] = (ApiKey.Scope.AGENT,)
    _is_ingest = True

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Choose authenticators, permissions and media type by the method."""
        self._is_ingest = request.method == "POST" or not hasattr(self, "get")
        if self._is_ingest:
            self.authentication_classes = [ApiKeyAuthentication]
            self.permission_classes = [MayIngest]
            self.content_negotiation_class = SingleMediaType
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the address before its key is looked at, so that guessing is slow too."""
        if not self._is_ingest:
            if request.method not in self.allowed_methods:
                raise MethodNotAllowed(str(request.method))
            super().initial(request, *args, **kwargs)
            return
        rate_limit.check_address(request._request)  # noqa: SLF001 (DRF's way to Django's request)
        super().initial(request, *args, **kwargs)
        rate_limit.check_key(_holder(request).key_id)

    def handle_exception(self, exc: Exception) -> Response:
        """Refuse, to be sent again, what needs a database that does not answer."""
        if self._is_ingest and isinstance(exc, OperationalError | InterfaceError):
            exc = DatabaseUnavailable()
        response: Response = super().handle_exception(exc)
        return response


@openapi.events
class EventsView(IngestView):
    """Accept events. 202 means durably accepted, not yet stored."""

    scopes = (ApiKey.Scope.AGENT, ApiKey.Scope.WEBHOOK)

    def post(self, request: Request) -> HttpResponse:
        context = _context(request, settings.EVENTS_RETENTION_DAYS)
        body = read_body(request._request)  # noqa: SLF001
        batch = parse_event_batch(body, context, max_events=settings.INGEST_MAX_EVENTS)
        # A numbered batch goes on even when all of it is refused: the ledger records its numbers.
        if (batch.accepted or batch.epoch) and EVENTS.append(
            _entry(request, batch, "\n".join(batch.accepted).encode())
        ):
            actors.write_events.send()
        return _answer(batch)


class SamplesView(IngestView):
    """Accept samples of a `kind`. 202 means durably accepted, not yet stored."""

    kind: ClassVar[str]

    def post(self, request: Request) -> HttpResponse:
        context = _context(request, settings.METRICS_RETENTION_DAYS)
        body = read_body(request._request)  # noqa: SLF001
        limit = settings.INGEST_MAX_EVENTS
        batch = parse_sample_batch(self.kind, body, context, max_samples=limit)
        for reason in batch.unreadable:
            _log_unreadable(reason)
        if batch.accepted and SAMPLES.append(_entry(request, batch, b"\n".join(batch.accepted))):
            actors.write_samples.send()
        return _answer(batch)


@openapi.nodes
class RegistrationView(IngestView):
    """Register a node, or update it."""

    def post(self, request: Request) -> Response:
        """Create or update the node the body names. Idempotent."""
        details = read_registration(read_body(request._request))  # noqa: SLF001
        name = details.pop("node_id")
        bound = _holder(request).node
        if bound is not None and bound != name:
            raise NodeMismatch(bound, name)
        node = nodes.register(name, details)
        return Response(
            {"node_id": node.name, "heartbeat_offline_after_s": settings.NODE_OFFLINE_AFTER_S}
        )


@lru_cache(maxsize=1_000)  # an agent repeats it every few seconds
def _log_unreadable(reason: str) -> None:
    logger.warning("A reading is unknown. %s", reason)


def _holder(request: Request) -> KeyHolder:
    holder: Any = request.user
    if not isinstance(holder, KeyHolder):
        raise APIException  # the authentication class gives nothing else
    return holder


def _context(request: Request, retention_days: int) -> Context:
    retention = timedelta(days=retention_days)
    return Context.at(timezone.now(), node=_holder(request).node, retention=retention)


def _entry(request: Request, batch: Batch, payload: bytes) -> Entry:
    return Entry(
        node=_holder(request).node,
        received_at=timezone.now().timestamp(),
        count=len(batch.accepted),
        payload=payload,
        epoch=batch.epoch,
        first_seq=batch.first_seq,
        refused=len(batch.rejected),
        dropped=batch.dropped,
    )


def _answer(batch: Batch) -> HttpResponse:
    if batch.rejected and not batch.accepted:
        raise NothingValid(batch.rejected)
    # Encoded here: DRF's late rendering costs more than the rest of the answer.
    answer = msgspec.json.encode({"queued": len(batch.accepted), "rejected": batch.rejected})
    return HttpResponse(answer, status=HTTPStatus.ACCEPTED, content_type="application/json")
