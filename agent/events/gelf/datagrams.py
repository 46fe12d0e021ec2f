"""Datagrams of GELF: put together from chunks, and decompressed within bounds. No I/O.

A chunk's header is 12 bytes by GELF's specification: 1e 0f, eight of the message, its number and
their count. That of npm's gelf 2.0.1, which all programs use, is 5 bytes: the message is one byte.
"""

import zlib
from collections import OrderedDict
from typing import NamedTuple

from agent import clock

MAX_DATAGRAM_BYTES = 65_535
MAX_RECORD_BYTES = 262_144
MAX_CHUNKS = 128
# Messages that wait for their other chunks: how many, for how long, and how much of them.
MAX_PENDING = 64
MAX_PENDING_BYTES = 2 * 1024**2
MAX_PENDING_S = 5.0

_CHUNK = b"\x1e\x0f"
_GZIP = b"\x1f\x8b"
_ANY_HEADER = 32 + zlib.MAX_WBITS  # zlib's or gzip's
_SHORT_HEADER_BYTES = 5
_STANDARD_HEADER_BYTES = 12


class UnreadableError(ValueError):
    """A datagram that is no part of a GELF message, or of one that is too large."""


class _Header(NamedTuple):
    message: bytes
    number: int
    chunks: int
    length: int


class _Pending:
    def __init__(self) -> None:
        self.began_s = clock.monotonic_s()
        self.chunks: dict[int, bytes] = {}
        self.size = 0


class Assembler:
    """Returns whole messages. `incomplete_total`: messages whose chunks did not all come."""

    def __init__(self) -> None:
        self._pending: OrderedDict[tuple[object, bytes], _Pending] = OrderedDict()
        self._pending_bytes = 0
        self.incomplete_total = 0

    def take(self, datagram: bytes, sender: object) -> bytes | None:
        """Return the JSON that a datagram completes, None for a chunk that completes none. Raises
        UnreadableError."""
        if datagram.startswith(_CHUNK):
            whole = self._join(datagram, sender)
            return None if whole is None else decompress(whole)
        return decompress(datagram)

    def forget_old(self) -> None:
        """Forget messages that have waited too long, or too many."""
        since_s = clock.monotonic_s() - MAX_PENDING_S
        while self._pending and (
            next(iter(self._pending.values())).began_s < since_s
            or len(self._pending) > MAX_PENDING
            or self._pending_bytes > MAX_PENDING_BYTES
        ):
            oldest = self._remove(next(iter(self._pending)))
            # Others may be a wrong reading of a header.
            self.incomplete_total += 0 in oldest.chunks

    def _join(self, datagram: bytes, sender: object) -> bytes | None:
        """Return the message that a chunk completes. A header that can be read in two ways, as only
        that of a later chunk can, counts in both until a first chunk tells."""
        lengths = (_SHORT_HEADER_BYTES, _STANDARD_HEADER_BYTES)
        headers = [each for length in lengths if (each := _read(datagram, length))]
        if not headers:
            raise UnreadableError("a chunk without a valid header")
        certain = [each for each in headers if each.number == 0 or self._is_begun(sender, each)]
        for header in certain[:1] or headers:
            key = (sender, header.message)
            pending = self._pending.setdefault(key, _Pending())
            self._add(pending, header.number, datagram[header.length :])
            if sorted(pending.chunks) == list(range(header.chunks)):
                self._remove(key)
                return b"".join(pending.chunks[number] for number in range(header.chunks))
        self.forget_old()
        return None

    def _is_begun(self, sender: object, header: _Header) -> bool:
        pending = self._pending.get((sender, header.message))
        return pending is not None and 0 in pending.chunks

    def _remove(self, key: tuple[object, bytes]) -> _Pending:
        pending = self._pending.pop(key)
        self._pending_bytes -= pending.size
        return pending

    def _add(self, pending: _Pending, number: int, payload: bytes) -> None:
        grown = len(payload) - len(pending.chunks.get(number, b""))
        pending.chunks[number] = payload
        pending.size += grown
        self._pending_bytes += grown


def decompress(message: bytes) -> bytes:
    """Return the JSON of a message, compressed or not. Raises UnreadableError, also for one that is
    too large: it is not decompressed further."""
    if message.startswith(b"{"):
        return message
    if not (_is_zlib(message) or message.startswith(_GZIP)):
        raise UnreadableError("neither JSON nor compressed")
    stream = zlib.decompressobj(_ANY_HEADER)
    try:
        whole = stream.decompress(message, MAX_RECORD_BYTES + 1)
    except zlib.error as error:
        raise UnreadableError(f"damaged: {error}") from error
    if len(whole) > MAX_RECORD_BYTES:
        raise UnreadableError(f"larger than {MAX_RECORD_BYTES} bytes")
    if not stream.eof:
        raise UnreadableError("cut off")
    return whole


def _read(datagram: bytes, length: int) -> _Header | None:
    """Return a header of this length, None where there cannot be one. A first chunk shows by what
    follows it."""
    if len(datagram) <= length:
        return None
    number, count = datagram[length - 2], datagram[length - 1]
    if not number < count <= MAX_CHUNKS:
        return None
    begin = datagram[length : length + 2]
    if number == 0 and not (_is_zlib(begin) or begin == _GZIP or begin.startswith(b"{")):
        return None
    return _Header(datagram[2 : length - 2], number, count, length)


def _is_zlib(data: bytes) -> bool:
    return len(data) > 1 and data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
