"""/email/reclassifications: assigned classes for stored events, on demand, to a range of days."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from server.api.operations import OperatorView
from server.api.permissions import REFUSALS
from server.ingest.actors import reclassify_days
from server.rollups import reclassify
from server.rollups.models import Reclassification


class ReclassificationAnswer(serializers.ModelSerializer[Reclassification]):
    """A request and how far it is: open while `ended_at` is null. `failure`: why it ended early."""

    class Meta:
        model = Reclassification
        fields = [
            "id", "first_day", "last_day", "next_day", "changed_count", "author", "requested_at",
            "progressed_at", "ended_at", "failure",
        ]  # fmt: skip


class ReclassificationsAnswer(serializers.Serializer[Any]):
    """The newest requests, the newest first."""

    reclassifications = ReclassificationAnswer(many=True)


class ReclassificationBody(serializers.Serializer[Any]):
    """UTC days, both included."""

    first_day = serializers.DateField()
    last_day = serializers.DateField()


class ReclassificationsView(OperatorView):
    """Requests to reclassify: who may read reads them, operators make them. One at a time."""

    @extend_schema(
        responses={200: ReclassificationsAnswer, **REFUSALS}, summary="Reclassifications"
    )
    def get(self, request: Request) -> Response:
        rows = ReclassificationAnswer(reclassify.list_requests(), many=True).data
        return Response({"reclassifications": rows})

    @extend_schema(
        request=ReclassificationBody,
        responses={202: ReclassificationAnswer, **REFUSALS},
        summary="Reclassify stored events",
    )
    def post(self, request: Request) -> Response:
        days = self.parse(ReclassificationBody)
        try:
            row = reclassify.request(
                days["first_day"], days["last_day"], author=self.author, now=timezone.now()
            )
        except reclassify.Refused as refusal:
            raise ValidationError({refusal.field: [str(refusal)]}) from refusal
        self.audit(row, f"Requested the {row}")
        reclassify_days.send(row.pk)
        return Response(ReclassificationAnswer(row).data, status=status.HTTP_202_ACCEPTED)
