"""Request bodies, bounded on the wire and unpacked. Pure but for reading the request."""

import zlib

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import RawPostDataException, UnreadablePostError

from server.ingest.errors import Malformed, TooLarge, WrongEncoding

#: A gzip file may be several, one after the other. Each costs a copy of those that follow.
MAX_GZIP_MEMBERS = 100
GZIP_WINDOW = zlib.MAX_WBITS | 16


def read_body(request: HttpRequest) -> bytes:
    """Return the unpack body. Raises TooLarge, WrongEncoding or Malformed."""
    body = _read_wire_body(request)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "gzip":
        return unpack(body, settings.INGEST_MAX_UNPACKED_BYTES)
    if encoding != "identity":
        raise WrongEncoding(f"Content-Encoding {encoding[:40]!r}: send gzip or nothing")
    return body


def unpack(body: bytes, max_bytes: int) -> bytes:
    """Return gunzipped `body`, never holding more than `max_bytes` + 1 of it."""
    plain = b""
    for _ in range(MAX_GZIP_MEMBERS):
        unpacker = zlib.decompressobj(GZIP_WINDOW)
        try:
            plain += unpacker.decompress(body, max_bytes + 1 - len(plain))
        except zlib.error as error:
            raise Malformed(f"the body is not gzip: {error}") from error
        if len(plain) > max_bytes:
            raise TooLarge(f"unpacks to more than {max_bytes} bytes")
        if not unpacker.eof:
            raise Malformed("the gzip body is cut short")
        body = unpacker.unused_data
        if not body:
            return plain
    raise Malformed(f"more than {MAX_GZIP_MEMBERS} gzip members")


def _read_wire_body(request: HttpRequest) -> bytes:
    limit: int = settings.INGEST_MAX_WIRE_BYTES
    try:
        # Django reads no more than DATA_UPLOAD_MAX_MEMORY_SIZE, which stands at our limit.
        body = request.body
    except RequestDataTooBig as error:
        raise TooLarge(f"larger than {limit} bytes on the wire") from error
    except (UnreadablePostError, RawPostDataException) as error:
        raise Malformed(f"the body could not be read: {error}") from error
    if len(body) > limit:
        raise TooLarge(f"larger than {limit} bytes on the wire")
    return body
