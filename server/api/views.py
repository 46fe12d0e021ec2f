"""Answers for programs and for the charts of the pages."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from server.api import completeness, throughput

HEALTH = inline_serializer("Health", {"status": serializers.CharField()})

REFUSALS = {
    400: OpenApiResponse(description="The query string names what is wrong with it."),
    403: OpenApiResponse(description="Not logged in."),
}


class HealthView(APIView):
    """Is this process alive? Needs no login and asks nothing else."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(responses=HEALTH, summary="Liveness")
    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({"status": "alive"})


class CompletenessView(APIView):
    """Which numbered events have arrived, which are missing, which their agent had to drop."""

    @extend_schema(
        summary="Completeness",
        parameters=[completeness.CompletenessQuery],
        responses={200: completeness.CompletenessAnswer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Answer for every epoch heard of in the last `hours`."""
        query = completeness.CompletenessQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(completeness.answer(**query.validated_data, now=timezone.now()))


class ThroughputView(APIView):
    """Events by type over time, empty buckets as zeros, the running bucket marked partial."""

    @extend_schema(
        summary="Throughput",
        parameters=[throughput.ThroughputQuery],
        responses={200: throughput.ThroughputAnswer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Answer for `direction` over the last `range`."""
        query = throughput.ThroughputQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(
            throughput.answer(
                query.validated_data["range"],
                query.validated_data["direction"],
                now=timezone.now(),
            )
        )
