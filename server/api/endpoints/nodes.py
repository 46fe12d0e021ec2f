"""/nodes and /nodes/{name}: the registered nodes."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.api.permissions import NOT_FOUND, REFUSALS, ReadView
from server.ingest.views import RegistrationView
from server.nodes.models import Node


class NodeAnswer(serializers.ModelSerializer[Node]):
    """One node, as it registered. `online`: it sent anything in the last seconds (a setting)."""

    online = serializers.SerializerMethodField()
    silent_s = serializers.SerializerMethodField(
        help_text="Since its last sample; null: none ever came."
    )

    class Meta:
        model = Node
        fields = [
            "name", "hostname", "role", "addresses", "agent_version", "versions", "created_at",
            "registered_at", "last_seen_at", "clock_ahead_ms", "in_maintenance", "online",
            "silent_s",
        ]  # fmt: skip

    def get_online(self, node: Node) -> bool:
        """Compare with the setting."""
        silent_s = self._age_s(node.contact_at)
        return silent_s is not None and silent_s <= settings.NODE_OFFLINE_AFTER_S

    def get_silent_s(self, node: Node) -> float | None:
        """Return seconds, never negative."""
        return self._age_s(node.last_seen_at)

    def _age_s(self, at: datetime | None) -> float | None:
        now: datetime = self.context["now"]
        return None if at is None else max(0.0, (now - at).total_seconds())


class NodesAnswer(serializers.Serializer[Any]):
    """Every node, by name; retired ones are left out."""

    nodes = NodeAnswer(many=True)


def find_node(name: str) -> Node:
    """Return the node. Raises Http404."""
    node = Node.objects.filter(name=name).first() if "\0" not in name else None
    if node is None:
        raise Http404(f"no node {name!r}")
    return node


class NodesView(ReadView, RegistrationView):
    """Every node; agents register theirs at the same path."""

    http_method_names = ["get", "head", "post"]

    @extend_schema(
        operation_id="v1_nodes_list",
        summary="Nodes",
        responses={200: NodesAnswer, **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Answer by name."""
        nodes = Node.objects.filter(retired_at=None).order_by("name")
        return Response(NodesAnswer({"nodes": nodes}, context={"now": timezone.now()}).data)


class NodeView(ReadView):
    """One node."""

    @extend_schema(summary="One node", responses={200: NodeAnswer, **REFUSALS, **NOT_FOUND})
    def get(self, request: Request, name: str) -> Response:
        """Answer."""
        return Response(NodeAnswer(find_node(name), context={"now": timezone.now()}).data)
