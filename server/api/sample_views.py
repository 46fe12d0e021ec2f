"""Answers made of samples: readings of nodes and programs over time, and the mail queue."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.api import metrics, nodes, queue, queue_share
from server.api.permissions import REFUSALS, ReadView
from server.metrics.catalogue import SampleKind

NOT_FOUND = {404: OpenApiResponse(description="There is no such kind or node.")}
KIND = OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(metrics.KINDS))


class QueueView(ReadView):
    """The mail that waits now, each queue counted once, and how much waited before."""

    @extend_schema(
        summary="Mail queue",
        parameters=[queue.QueueQuery],
        responses={200: queue.QueueAnswer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Answer as of now."""
        return Response(queue.answer(**_asked(queue.QueueQuery, request)))


class ShareView(ReadView):
    """How much of the mail queue was one node's, over time."""

    @extend_schema(
        summary="Share of the mail queue",
        parameters=[queue_share.ShareQuery],
        responses={200: queue_share.NodeShareAnswer, **REFUSALS, **NOT_FOUND},
    )
    def get(self, request: Request) -> Response:
        """Answer bucket by bucket."""
        asked = _asked(queue_share.ShareQuery, request)
        return Response(queue_share.answer(node=nodes.find(asked.pop("node")), **asked))


class MetricsView(ReadView):
    """The readings of one kind of samples over time, of the nodes."""

    @extend_schema(
        operation_id="v1_metrics_retrieve",
        summary="Metrics",
        parameters=[KIND, metrics.AllMetricsQuery],
        responses={200: metrics.MetricsAnswer, **REFUSALS, **NOT_FOUND},
    )
    def get(self, request: Request, kind: str) -> Response:
        """Answer."""
        asked = _asked(metrics.AllMetricsQuery, request, kind=metrics.kind_of(kind))
        return Response(metrics.answer(**asked))


class NodeMetricsView(ReadView):
    """The readings of one node over time."""

    @extend_schema(
        summary="Metrics of one node",
        parameters=[metrics.NodeMetricsQuery],
        responses={200: metrics.MetricsAnswer, **REFUSALS, **NOT_FOUND},
    )
    def get(self, request: Request, name: str) -> Response:
        """Answer for one kind of samples."""
        node = nodes.find(name)
        kind = metrics.kind_of(request.query_params.get("kind", "system"))
        asked = _asked(metrics.NodeMetricsQuery, request, kind=kind)
        return Response(metrics.answer(**asked, node=node.name))


def _asked(
    serializer: type[serializers.Serializer[Any]],
    request: Request,
    *,
    kind: SampleKind | None = None,
) -> dict[str, Any]:
    context = {"kind": kind} if kind else {}
    asked = serializer(data=request.query_params, context=context)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)
