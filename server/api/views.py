"""The `get` of views that answer a query: validated, built, described for OpenAPI."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from server.api.caching import cache_answer
from server.api.permissions import REFUSALS
from server.api.query_params import parse_query


def answer_query(
    build: Callable[..., dict[str, Any]],
    query: type[serializers.Serializer[Any]],
    answer: type[serializers.Serializer[Any]],
    *,
    is_cached: bool = False,
    refusals: Mapping[int, OpenApiResponse] = REFUSALS,
    **description: Any,
) -> Callable[..., HttpResponseBase]:
    """Return a view's `get`, which answers what `build` returns for the parameters of `query`.

    `is_cached`: see cache_answer. `description`: `summary` and other arguments of extend_schema.
    """

    def get(view: APIView, request: Request) -> Response:
        """Answer."""
        return Response(build(**parse_query(query, request)))

    responses = {200: answer, **refusals}
    describe = extend_schema(parameters=[query], responses=responses, **description)
    return describe(cache_answer(get) if is_cached else get)
