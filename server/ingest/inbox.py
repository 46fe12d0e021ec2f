"""The durable stream between ingest endpoint and writer, one per kind of batch, in Redis.

An entry is acknowledged and deleted in one step after its rows are committed, so the stream holds
exactly what is not yet stored. Redis runs with AOF and `noeviction`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from time import time as epoch_s  # noqa: TID251 (compared with the clock of Redis)
from typing import Any, NamedTuple

import msgspec
import redis
from django.conf import settings

from server.ingest.errors import InboxFull, InboxUnavailable
from server.ingest.group_commit import GroupCommit

GROUP = "writers"
#: How long a wake-up counts as under way. A writer renews it while it works; if one dies, the next
#: append after this time wakes another, and the sweeper does so without any append.
WAKEUP_MS = 2_000
#: How often a writer that cannot keep up may wake a second one.
SECOND_WRITER_EVERY_MS = 5_000
_SOCKET_TIMEOUT_S = 5.0

#: Bytes of batches appended in one round trip: Redis does nothing else meanwhile.
_MAX_COMMIT_BYTES = 1024 * 1024

# KEYS: stream, bytes, awake flag. ARGV: max entries, max bytes, wake-up ms, entries. Answers for
# each entry: 0 full, 1 appended, 2 appended and the caller must wake a writer.
_APPEND = """
local length = redis.call('XLEN', KEYS[1])
local bytes = tonumber(redis.call('GET', KEYS[2]) or '0')
local before, answers, last = bytes, {}, nil
for i = 4, #ARGV do
  local size = #ARGV[i]
  if length >= tonumber(ARGV[1]) or (bytes > 0 and bytes + size > tonumber(ARGV[2])) then
    answers[i - 3] = 0
  else
    redis.call('XADD', KEYS[1], '*', 'entry', ARGV[i])
    length, bytes, last, answers[i - 3] = length + 1, bytes + size, i - 3, 1
  end
end
if last then
  redis.call('INCRBY', KEYS[2], bytes - before)
  if redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[3]) then answers[last] = 2 end
end
return answers
"""

# KEYS: stream, bytes. ARGV: group, then id and size of each entry. An entry stored by two
# writers is subtracted once; an empty stream has no bytes, whatever was counted.
_ACKNOWLEDGE = """
local freed = 0
for i = 2, #ARGV, 2 do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then freed = freed + ARGV[i + 1] end
end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('SET', KEYS[2], 0)
else redis.call('DECRBY', KEYS[2], freed) end
return freed
"""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One accepted batch. Append fields only, with defaults: old entries wait while we upgrade."""

    node: str | None  # the key's, else the one of all items; None: of several nodes
    received_at: float  # seconds since the epoch, the server's clock
    count: int  # events or samples in it
    payload: bytes  # one line each: COPY lines of events, JSON of samples
    # A numbered batch: its numbers, those of refused items included.
    epoch: str | None = None
    first_seq: int = 0
    refused: int = 0
    dropped: tuple[tuple[int, int], ...] = ()
    refused_ranges: tuple[tuple[int, int], ...] = ()  # numbers, first and last; perhaps not all
    clock_ahead_ms: int | None = None  # of the node, with the batch; None: not known


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class StreamEntry(NamedTuple):
    """An entry in the stream, and its share of the bound."""

    id: bytes
    entry: Entry
    size_bytes: int


class Inbox:
    """A bounded Redis stream with one consumer group. Safe to use from many threads."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.stream = f"mallard:inbox:{kind}"
        self._bytes = f"{self.stream}:bytes"
        self._awake = f"{self.stream}:awake"
        self._second_writer = f"{self.stream}:help"
        self._group_commit = GroupCommit(self._append, max_bytes=_MAX_COMMIT_BYTES)

    @cached_property
    def apart(self) -> "Inbox":
        """Where its entries wait that were refused, and the parts of them, so that no other entry
        waits for these. Each step that was made with them is in it, whoever makes the next."""
        return Inbox(f"{self.kind}:apart")

    @cached_property
    def client(self) -> "redis.Redis":
        """The connection pool, made when first needed."""
        return redis.Redis.from_url(
            settings.INBOX_REDIS_URL,
            socket_timeout=_SOCKET_TIMEOUT_S,
            socket_connect_timeout=_SOCKET_TIMEOUT_S,
        )

    def append(self, entry: Entry) -> bool:
        """Append `entry` durably; return whether a writer must be woken.

        Raises InboxFull or InboxUnavailable, and then has taken nothing for certain.
        """
        try:
            answer = self._group_commit.submit(_encode(entry))
        except redis.RedisError as error:
            raise InboxUnavailable from error
        if not answer:
            raise InboxFull
        return answer == 2  # noqa: PLR2004 (see _APPEND)

    def _append(self, entries: Sequence[bytes]) -> list[int]:
        """Append encoded entries in one step; return the answers of _APPEND."""
        bounds = [str(settings.INBOX_MAX_ENTRIES), str(settings.INBOX_MAX_BYTES), str(WAKEUP_MS)]
        answers: list[int] = self.client.eval(
            _APPEND, 3, self.stream, self._bytes, self._awake, *bounds, *entries
        )
        return answers

    def length(self) -> int:
        """Return how many batches are accepted and not yet stored."""
        return int(self.client.xlen(self.stream))

    def claim_wakeup(self) -> bool:
        """Return whether the caller is the one to wake a writer now."""
        return bool(self.client.set(self._awake, "1", nx=True, px=WAKEUP_MS))

    def renew_wakeup(self) -> None:
        """Mark that a writer is at work, for another WAKEUP_MS."""
        self.client.set(self._awake, "1", px=WAKEUP_MS)

    def mark_idle(self) -> None:
        """Mark that no writer is at work. Read once more afterwards: an entry may be stranded."""
        self.client.delete(self._awake)

    def claim_second_writer(self) -> bool:
        """Return whether the caller, which cannot keep up, is to wake another writer now."""
        return bool(self.client.set(self._second_writer, "1", nx=True, px=SECOND_WRITER_EVERY_MS))

    def read(self, consumer: str, *, count: int, block_ms: int | None) -> list[StreamEntry]:
        """Return new entries for `consumer`, waiting up to `block_ms` (None: not at all)."""
        answer: Any = self._with_group(
            lambda: self.client.xreadgroup(
                GROUP, consumer, {self.stream: ">"}, count=count, block=block_ms
            )
        )
        return _entries(answer[0][1]) if answer else []

    def claim(self, consumer: str, *, count: int, idle_ms: int) -> Iterator[list[StreamEntry]]:
        """Yield entries that another consumer took `idle_ms` ago and never acknowledged.

        Up to `count` at a time; an empty list where none of those looked at is idle. Claims no
        further than the caller iterates.
        """
        cursor, is_done = b"0-0", False
        while not is_done:
            claim = partial(self.client.xautoclaim, self.stream, GROUP, consumer, idle_ms)
            cursor, claimed, *_ = self._with_group(partial(claim, start_id=cursor, count=count))
            is_done = cursor == b"0-0"
            yield _entries(claimed)

    def size_bytes(self) -> int:
        """Return how many bytes of batches are accepted and not yet stored."""
        counted: Any = self.client.get(self._bytes)
        return int(counted or 0)

    def oldest_s(self) -> float | None:
        """Return how long the oldest entry waits; None when none does."""
        first: Any = self.client.xrange(self.stream, count=1)
        return age_s(first[0][0]) if first else None

    def acknowledge(self, rows: Iterable[StreamEntry]) -> None:
        pairs = [part for row in rows for part in (row.id, str(row.size_bytes))]
        if pairs:
            self.client.eval(_ACKNOWLEDGE, 2, self.stream, self._bytes, GROUP, *pairs)

    def _with_group(self, call: Any) -> Any:
        try:
            return call()
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        # First use, or Redis lost the group: from 0, so that no waiting entry is skipped.
        try:
            self.client.xgroup_create(self.stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        return call()


def age_s(entry_id: bytes) -> float:
    """Return how long ago Redis took an entry: its id begins with the milliseconds."""
    return max(0.0, epoch_s() - int(entry_id.partition(b"-")[0]) / 1_000)


def _entries(rows: Iterable[tuple[bytes, dict[bytes, bytes] | None]]) -> list[StreamEntry]:
    # XAUTOCLAIM of Redis 6 answers deleted entries with no fields.
    return [
        StreamEntry(entry_id, _decode(fields[b"entry"]), len(fields[b"entry"]))
        for entry_id, fields in rows
        if fields
    ]


EVENTS = Inbox("events")
SAMPLES = Inbox("samples")
