"""The JSON renderer answers like DRF's own, and sooner."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from rest_framework import renderers
from rest_framework.exceptions import ErrorDetail
from rest_framework.utils.serializer_helpers import ReturnDict, ReturnList

from server.http.json_renderer import JSONRenderer

AT = datetime(2026, 11, 21, 10, 7, 10, 120_000, tzinfo=UTC)
VALUES = {
    "texts": ["\u2028 \x00 <b> \"'", mark_safe("<i>"), lazystr("later"), ErrorDetail("no", "code")],
    "numbers": [0, -1, 2**53, 0.1, 1e21, 1e-9, Decimal("1.50"), True, None],
    "times": [AT, AT.replace(microsecond=0), AT.astimezone(timezone(timedelta(hours=2)))],
    "others": [date(2026, 11, 21), UUID(int=7), (1, 2), {"k": "v"}],
    "lists": ReturnList([1], serializer=None),
    "objects": ReturnDict({"a": ReturnDict(serializer=None)}, serializer=None),
}


@pytest.mark.parametrize("name", VALUES)
def test_it_tells_the_same_as_the_usual_one(name):
    data = {name: VALUES[name]}

    assert json.loads(JSONRenderer().render(data)) == json.loads(
        renderers.JSONRenderer().render(data)
    )


def test_a_person_may_request_indentation():
    assert JSONRenderer().render({"a": 1}, "application/json; indent=2") == b'{\n  "a": 1\n}'


def test_no_data_is_no_body():
    assert JSONRenderer().render(None) == b""
