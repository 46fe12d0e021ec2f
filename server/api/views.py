"""Answers for programs and for the charts of the pages."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import Error as DatabaseError
from django.http import Http404, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from server.api import (
    bounces,
    changes,
    completeness,
    events,
    health,
    nodes,
    performance,
    query,
    sizes,
    stats,
    throughput,
)
from server.api.caching import kept_shortly
from server.api.permissions import REFUSALS, MayRead, ReadView
from server.events.queries import one
from server.observability import health as probes

HEALTH = inline_serializer("Health", {"status": serializers.CharField()})
NOT_FOUND = {404: OpenApiResponse(description="There is none of that name or id.")}


class HealthView(APIView):
    """Is this process alive? Needs no login and asks nothing else."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(responses=HEALTH, summary="Liveness")
    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({"status": "alive"})


class ReadyView(ReadView):
    """Can this installation do its work? Needs no login; what is wrong is told to readers only."""

    permission_classes = [AllowAny]

    def perform_authentication(self, request: Request) -> None:
        """Find out who asks; nobody, while the database that knows them does not answer."""
        try:
            super().perform_authentication(request)
        except DatabaseError:
            request.user = AnonymousUser()

    @extend_schema(
        summary="Readiness", responses={200: health.ReadyAnswer, 503: health.ReadyAnswer}
    )
    def get(self, request: Request) -> Response:
        """Answer 200 when ready or degraded, 503 when nothing can be served."""
        may_read = MayRead().has_permission(request, self)
        body = health.answer(probes.run_probes(), may_read=may_read)
        ready = body["status"] != "not ready"
        return Response(body, status=200 if ready else 503, headers={"Cache-Control": "no-store"})


class CompletenessView(ReadView):
    """Which numbered events have arrived, which are missing, which their agent had to drop."""

    @extend_schema(
        summary="Completeness",
        parameters=[completeness.CompletenessQuery],
        responses={200: completeness.CompletenessAnswer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Answer for every epoch heard of in the last `hours`."""
        asked = _asked(completeness.CompletenessQuery, request)
        return Response(completeness.answer(**asked, now=timezone.now()))


class ChangesView(ReadView):
    """What happened to nodes: programs that started, other versions, silences."""

    @extend_schema(
        summary="Changes",
        parameters=[changes.ChangesQuery],
        responses={200: changes.ChangesAnswer, **REFUSALS},
    )
    @kept_shortly
    def get(self, request: Request) -> Response:
        """Answer, oldest first."""
        asked = _asked(changes.ChangesQuery, request)
        return Response(changes.ChangesAnswer(changes.answer(**asked)).data)


class ThroughputView(ReadView):
    """Events by type over time, empty buckets as zeros, the running bucket marked partial."""

    @extend_schema(
        summary="Throughput",
        parameters=[throughput.ThroughputQuery],
        responses={200: throughput.ThroughputAnswer, **REFUSALS},
    )
    @kept_shortly
    def get(self, request: Request) -> Response:
        """Answer bucket by bucket, with `by` for each value as well."""
        return Response(throughput.answer(**_asked(throughput.ThroughputQuery, request)))


class StatsView(ReadView):
    """Totals, rates and delivery times of each domain, destination, node, address or zone."""

    @extend_schema(
        summary="Statistics",
        parameters=[stats.StatsQuery],
        responses={200: stats.StatsAnswer, **REFUSALS},
    )
    @kept_shortly
    def get(self, request: Request) -> Response:
        """Answer one page."""
        return Response(stats.answer(**_asked(stats.StatsQuery, request)))


class PerformanceView(ReadView):
    """How long deliveries took: average, percentiles, histogram, destinations, trend."""

    @extend_schema(
        summary="Delivery performance",
        parameters=[performance.PerformanceQuery],
        responses={200: performance.PerformanceAnswer, **REFUSALS},
    )
    @kept_shortly
    def get(self, request: Request) -> Response:
        """Answer."""
        return Response(performance.answer(**_asked(performance.PerformanceQuery, request)))


class BounceView(ReadView):
    """Why mail bounces: types, categories, destinations, and what the remote servers said."""

    @extend_schema(
        summary="Bounce analysis",
        parameters=[bounces.BounceQuery],
        responses={200: bounces.BounceAnswer, **REFUSALS},
    )
    @kept_shortly
    def get(self, request: Request) -> Response:
        """Answer."""
        return Response(bounces.answer(**_asked(bounces.BounceQuery, request)))


class SizesView(ReadView):
    """How large messages are."""

    @extend_schema(
        summary="Message sizes",
        parameters=[query.DirectionQuery],
        responses={200: sizes.SizesAnswer, **REFUSALS},
    )
    @kept_shortly
    def get(self, request: Request) -> Response:
        """Answer."""
        return Response(sizes.answer(**_asked(query.DirectionQuery, request)))


class EventsView(ReadView):
    """Search the raw events."""

    @extend_schema(
        operation_id="v1_email_events_search",
        summary="Events",
        parameters=[events.EventsQuery],
        responses={200: events.EventsAnswer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Answer one page, newest first."""
        answer = events.page(**_asked(events.EventsQuery, request))
        return Response(events.EventsAnswer(answer).data)


class EventView(ReadView):
    """One raw event."""

    @extend_schema(
        summary="One event", responses={200: events.EventAnswer, **REFUSALS, **NOT_FOUND}
    )
    def get(self, request: Request, event_id: UUID) -> Response:
        """Answer all of it."""
        found = one(event_id)
        if found is None:
            raise Http404(f"no event {event_id}")
        return Response(events.one(found))


class EventsCsvView(ReadView):
    """The events of a search as a file for spreadsheets, which find no formulas in it."""

    @extend_schema(
        summary="Events as CSV",
        parameters=[events.ExportQuery],
        responses={(200, "text/csv"): OpenApiTypes.STR, **REFUSALS},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream."""
        return _file(events.csv_file, request, "events.csv", "text/csv; charset=utf-8")


class EventsJsonView(ReadView):
    """The events of a search as a JSON array, one a line."""

    @extend_schema(
        summary="Events as JSON",
        parameters=[events.ExportQuery],
        responses={200: events.EventAnswer(many=True), **REFUSALS},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream."""
        return _file(events.json_file, request, "events.json", "application/json")


class NodesView(ReadView):
    """Every node."""

    @extend_schema(
        operation_id="v1_nodes_list",
        summary="Nodes",
        responses={200: nodes.NodesAnswer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Answer by name."""
        return Response(nodes.NodesAnswer(nodes.known(), context={"now": timezone.now()}).data)


class NodeView(ReadView):
    """One node."""

    @extend_schema(summary="One node", responses={200: nodes.NodeAnswer, **REFUSALS, **NOT_FOUND})
    def get(self, request: Request, name: str) -> Response:
        """Answer."""
        answer = nodes.NodeAnswer(nodes.find(name), context={"now": timezone.now()})
        return Response(answer.data)


def _asked(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    asked = serializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def _file(
    lines: Callable[..., Iterator[str]], request: Request, name: str, content_type: str
) -> StreamingHttpResponse:
    asked = _asked(events.ExportQuery, request)
    return StreamingHttpResponse(
        lines(**asked),
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
