"""Request bodies, bounded on the wire and unpacked. Pure but for reading the request."""

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import RawPostDataException, UnreadablePostError

from server.ingest.errors import Malformed, TooLarge, TooManyLarge, WrongEncoding

#: A gzip file may be several, one after the other. Each costs a copy of those that follow.
MAX_GZIP_MEMBERS = 100
GZIP_WINDOW = zlib.MAX_WBITS | 16
#: The most bytes of a body by kind; events are bounded by a setting. Agents divide what is larger.
MAX_SAMPLES_BYTES, MAX_REGISTRATION_BYTES = 4 * 1024 * 1024, 64 * 1024
#: Larger bodies are decoded two at a time: what a body of any size becomes in memory is many times
#: its bytes, and 16 kB may unpack to the most that is allowed.
LARGE_BYTES, MAX_LARGE_AT_ONCE = 1024 * 1024, 2
#: Decoding one takes a good part of a second: who waits for longer is to come again.
LARGE_WAIT_S = 5.0
_large = threading.BoundedSemaphore(MAX_LARGE_AT_ONCE)


@contextmanager
def unpacked_body(request: HttpRequest, *, max_bytes: int | None = None) -> Iterator[bytes]:
    """Give the unpacked body while it is decoded.

    Raises TooLarge, WrongEncoding, Malformed, or TooManyLarge when it is not a large one's turn.
    """
    body = _read_wire_body(request)
    limit = min(max_bytes or settings.INGEST_MAX_UNPACKED_BYTES, settings.INGEST_MAX_UNPACKED_BYTES)
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in ("gzip", "identity"):
        raise WrongEncoding(f"Content-Encoding {encoding[:40]!r}: send gzip or nothing")
    is_packed = encoding == "gzip"
    plain = _unpack_small(body, min(limit, LARGE_BYTES)) if is_packed else body
    if plain is not None and len(plain) <= LARGE_BYTES:
        yield _check_size(plain, limit)
        return
    if not _large.acquire(timeout=LARGE_WAIT_S):
        raise TooManyLarge
    try:
        yield unpack(body, limit) if is_packed else _check_size(body, limit)
    finally:
        _large.release()


def _unpack_small(body: bytes, max_bytes: int) -> bytes | None:
    try:
        return unpack(body, max_bytes)
    except TooLarge:
        return None


def _check_size(body: bytes, max_bytes: int) -> bytes:
    if len(body) > max_bytes:
        raise TooLarge(f"larger than {max_bytes} bytes")
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
