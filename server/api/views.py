"""Views that answer a query: validated, built, described for OpenAPI."""

from collections.abc import Callable, Mapping
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from server.api.caching import cache_answer
from server.api.permissions import REFUSALS, ReadView
from server.api.query_params import parse_query


def query_view(
    build: Callable[..., dict[str, Any]],
    query: type[serializers.Serializer[Any]],
    answer: type[serializers.Serializer[Any]],
    *,
    is_cached: bool = False,
    has_addresses: bool = False,
    refusals: Mapping[int, OpenApiResponse] = REFUSALS,
    **description: Any,
) -> type[ReadView]:
    """Return the view that answers what `build` returns for the parameters of `query`.

    `is_cached`: see cache_answer. `has_addresses`: no browser keeps it. `description`: `summary`
    and other arguments of extend_schema.
    """

    def get(view: ReadView, request: Request) -> Response:
        """Answer."""
        return Response(build(**parse_query(query, request)))

    responses = {200: answer, **refusals}
    describe = extend_schema(parameters=[query], responses=responses, **description)
    if is_cached:
        control = {"control": "no-store"} if has_addresses else {}
        return type("QueryView", (ReadView,), {"get": describe(cache_answer(get, **control))})
    return type("QueryView", (ReadView,), {"get": describe(get)})
