"""/health and /health/ready: liveness and readiness."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import Error as DatabaseError
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from server import BUILD, __version__
from server.api.permissions import MayRead, ReadView
from server.observability import health as probes
from server.observability.health import ProbeResult

HEALTH = inline_serializer(
    "Health",
    {
        "status": serializers.CharField(),
        "version": serializers.CharField(help_text="The release and the build."),
        "build": serializers.CharField(help_text="Commit and date, or `development`."),
    },
)


class CheckAnswer(serializers.Serializer[Any]):
    """State of one part. `needed`: without it nothing can be served."""

    name = serializers.CharField()
    ok = serializers.BooleanField()
    needed = serializers.BooleanField()
    text = serializers.CharField(help_text="What is there, or what is wrong, in words.")
    figures = serializers.DictField(help_text="Numbers to it, where there are any.")


class ReadyAnswer(serializers.Serializer[Any]):
    """`degraded`: served all the same, but something does not go on. What is wrong with the parts
    is for readers only; their names are for anybody."""

    status = serializers.ChoiceField(choices=["ready", "degraded", "not ready"])
    failed = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Names of the parts that fail."
    )
    checks = CheckAnswer(many=True, required=False)


def build_ready(results: list[ProbeResult], *, may_read: bool) -> dict[str, Any]:
    """Return the values of ReadyAnswer, the checks for readers alone. Pure."""
    wrong = [result for result in results if not result.ok]
    is_served = not any(result.needed for result in wrong)
    status = ("degraded" if wrong else "ready") if is_served else "not ready"
    body: dict[str, Any] = {"status": status}
    if wrong:
        body["failed"] = [result.name for result in wrong]
    if may_read:
        body["checks"] = [vars(result) for result in results]
    return body


class HealthView(APIView):
    """Is this process alive? Needs no login and no database."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @extend_schema(responses=HEALTH, summary="Liveness")
    def get(self, request: Request) -> Response:
        """Answer."""
        return Response({"status": "alive", "version": __version__, "build": BUILD})


class ReadyView(ReadView):
    """Can this installation do its work? Needs no login; the checks are for readers only, the names
    of those that fail for anybody."""

    permission_classes = [AllowAny]

    def perform_authentication(self, request: Request) -> None:
        """Authenticate; as nobody, while the database that knows the users does not answer."""
        try:
            super().perform_authentication(request)
        except DatabaseError:
            request.user = AnonymousUser()

    @extend_schema(summary="Readiness", responses={200: ReadyAnswer, 503: ReadyAnswer})
    def get(self, request: Request) -> Response:
        """Answer 200 when ready or degraded, 503 when nothing can be served."""
        may_read = MayRead().has_permission(request, self)
        body = build_ready(probes.run_probes(), may_read=may_read)
        ready = body["status"] != "not ready"
        return Response(body, status=200 if ready else 503, headers={"Cache-Control": "no-store"})
