"""Answers for programs and for the charts of the pages."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from server.api import throughput

HEALTH = inline_serializer("Health", {"status": serializers.CharField()})


class HealthView(APIView):
    """Is this process alive? Needs no login and asks nothing else."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(responses=HEALTH, summary="Liveness")
    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({"status": "alive"})


class ThroughputView(APIView):
    """Events by type over time, empty buckets as zeros, the running bucket marked partial."""

    @extend_schema(
        summary="Throughput",
        parameters=[throughput.Query],
        responses=throughput.Answer,
    )
    def get(self, request: Request) -> Response:
        """Answer for `direction` over the last `range`."""
        query = throughput.Query(data=request.query_params)
        query.is_valid(raise_exception=True)
        return Response(
            throughput.answer(
                query.validated_data["range"],
                query.validated_data["direction"],
                now=timezone.now(),
            )
        )
