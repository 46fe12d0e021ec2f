"""JSON renderer of the API, by msgspec."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework import renderers
from rest_framework.utils import encoders


class JSONRenderer(renderers.JSONRenderer):
    """DRF's renderer, but by msgspec unless indentation is requested: an answer of charts is a
    hundred thousand numbers, and Python's own encoder took longer for them than the database."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        indent = self.get_indent(accepted_media_type or "", renderer_context or {})
        if data is None or indent is not None:
            return super().render(data, accepted_media_type, renderer_context)
        return _encode(data)


def _to_encodable(value: object) -> object:
    """Convert what msgspec cannot encode: subclasses of str, types of DRF. Raises TypeError."""
    if isinstance(value, str):
        return str.__str__(value)
    return encoders.JSONEncoder().default(value)


_encode = msgspec.json.Encoder(enc_hook=_to_encodable, decimal_format="number").encode
