"""The durable stream between ingest endpoint and writer, one per kind of batch, in Redis.

An entry is acknowledged and deleted in one step after its rows are committed, so the stream holds
exactly what is not yet stored. Redis runs with AOF and `noeviction`.

A second stream, the late one, takes what a node sends beyond its share, so that one node's flood
waits behind the others. Both are bounded together.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from hashlib import sha1
from itertools import groupby
from math import inf
from time import monotonic
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
#: The share of Redis's memory past which nothing more is accepted: the broker and the live counters
#: need the rest, and without the broker's messages no writer would make room. How long one look at
#: it counts.
MAX_MEMORY_SHARE, MEMORY_LOOK_S = 0.8, 0.5

#: Bytes of batches appended in one round trip: Redis does nothing else meanwhile.
_MAX_COMMIT_BYTES = 1024 * 1024
#: Bytes of one node that wait among those of others: about a second of a writer's work.
SHARE_BYTES = 4 * 1024 * 1024
#: Nodes are counted while more than this share of it waits in all: mostly none is, and a node may
#: have this much beyond its share.
_UNCOUNTED = 0.25
#: Entries acknowledged in one step: Redis does nothing else meanwhile, and Lua's stack is bounded.
_MAX_ACKNOWLEDGED = 1_000
#: Late entries read beside a full read of the others: enough that they come forward too.
_LATE_ENTRIES = 2

# KEYS: stream, late stream, bytes, bytes by node, awake flag. ARGV: max entries, max bytes, share,
# from how many bytes on nodes are counted, wake-up ms, then node and bytes of each entry. Answers
# for each entry: 0 full, 1 appended, 2 appended and the caller must wake a writer.
_APPEND = """
local length = redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2])
local bytes = tonumber(redis.call('GET', KEYS[3]) or '0')
local max_entries, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local share, counted_from = tonumber(ARGV[3]), tonumber(ARGV[4])
local before, answers, last = bytes, {}, nil
for i = 7, #ARGV, 2 do
  local size, place, stream = #ARGV[i], (i - 5) / 2, KEYS[1]
  if length >= max_entries or (bytes > 0 and bytes + size > max_bytes) then
    answers[place] = 0
  else
    if bytes >= counted_from then
      local of_node = redis.call('HINCRBY', KEYS[4], ARGV[i - 1], size)
      if of_node > size and of_node > share then stream = KEYS[2] end
    end
    redis.call('XADD', stream, '*', 'entry', ARGV[i])
    length, bytes, last, answers[place] = length + 1, bytes + size, place, 1
  end
end
if last then
  redis.call('INCRBY', KEYS[3], bytes - before)
  if redis.call('SET', KEYS[5], '1', 'NX', 'PX', ARGV[5]) then answers[last] = 2 end
end
return answers
"""

# KEYS: stream, late stream, bytes, bytes by node. ARGV: group, then by stream and node: stream (1,
# or 2 for the late one), node, number of entries, their bytes together, their ids, their sizes. An
# entry stored by two writers is subtracted once; with none waiting there are no bytes, whatever was
# counted.
_ACKNOWLEDGE = """
local freed, i, is_counted = 0, 2, redis.call('EXISTS', KEYS[4]) == 1
while i < #ARGV do
  local stream, node, count = KEYS[tonumber(ARGV[i])], ARGV[i + 1], tonumber(ARGV[i + 2])
  local first, of_node = i + 4, tonumber(ARGV[i + 3])
  local after = first + count
  if redis.call('XACK', stream, ARGV[1], unpack(ARGV, first, after - 1)) == count then
    redis.call('XDEL', stream, unpack(ARGV, first, after - 1))
  else
    of_node = 0
    for n = first, after - 1 do
      if redis.call('XDEL', stream, ARGV[n]) == 1 then of_node = of_node + ARGV[n + count] end
    end
  end
  freed = freed + of_node
  if is_counted and of_node > 0 and redis.call('HINCRBY', KEYS[4], node, -of_node) <= 0 then
    redis.call('HDEL', KEYS[4], node)
  end
  i = after + count
end
if redis.call('XLEN', KEYS[1]) + redis.call('XLEN', KEYS[2]) == 0 then
  redis.call('SET', KEYS[3], 0)
  redis.call('DEL', KEYS[4])
else redis.call('DECRBY', KEYS[3], freed) end
return freed
"""
_APPEND_SHA, _ACKNOWLEDGE_SHA = (
    sha1(script.encode(), usedforsecurity=False).hexdigest() for script in (_APPEND, _ACKNOWLEDGE)
)


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


class LateEntry(StreamEntry):
    """One of the late stream."""


class Inbox:
    """A bounded Redis stream with one consumer group. Safe to use from many threads."""

    def __init__(self, kind: str, *, is_apart: bool = False) -> None:
        self.kind, self._is_apart = kind, is_apart
        self.stream = f"mallard:inbox:{kind}"
        self.late_stream = f"{self.stream}:late"
        self.streams = (self.stream, self.late_stream)
        self._bytes = f"{self.stream}:bytes"
        self._bytes_by_node = f"{self.stream}:nodes"
        self._awake = f"{self.stream}:awake"
        self._second_writer = f"{self.stream}:help"
        self._has_memory, self._looked_at = True, -inf
        self._group_commit = GroupCommit(
            self._append, max_bytes=_MAX_COMMIT_BYTES, size_of=lambda item: len(item[1])
        )

    @cached_property
    def apart(self) -> "Inbox":
        """Where its entries wait that were refused, and the parts of them, so that no other entry
        waits for these. Each step that was made with them is in it, whoever makes the next."""
        return Inbox(f"{self.kind}:apart", is_apart=True)

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
        if not self._has_room():
            raise InboxFull
        try:
            answer = self._group_commit.submit((entry.node or "", _encode(entry)))
        except redis.RedisError as error:
            raise InboxUnavailable from error
        if not answer:
            raise InboxFull
        return answer == 2  # noqa: PLR2004 (see _APPEND)

    def _has_room(self) -> bool:
        """Return whether Redis has memory to spare, by a look of MEMORY_LOOK_S ago at most."""
        now = monotonic()
        if now - self._looked_at > MEMORY_LOOK_S:
            self._looked_at = now
            try:
                memory: Any = self.client.info("memory")
                most = memory["maxmemory"] * MAX_MEMORY_SHARE
                self._has_memory = not most or memory["used_memory"] < most
            except (redis.ResponseError, KeyError):  # a hosted Redis keeps it to itself
                self._has_memory = True
            except redis.RedisError as error:
                raise InboxUnavailable from error
        return self._has_memory

    def _append(self, items: Sequence[tuple[str, bytes]]) -> list[int]:
        """Append encoded entries, each behind its node, in one step; return the answers."""
        keys = [*self.streams, self._bytes, self._bytes_by_node, self._awake]
        bounds = (settings.INBOX_MAX_ENTRIES, settings.INBOX_MAX_BYTES)
        more = (SHARE_BYTES, int(SHARE_BYTES * _UNCOUNTED), WAKEUP_MS)
        entries = [part for item in items for part in item]
        answers: list[int] = self._run(_APPEND, _APPEND_SHA, keys, *bounds, *more, *entries)
        return answers

    def _run(self, script: str, sha: str, keys: Sequence[str], *arguments: Any) -> Any:
        """Run a script. Redis mostly knows it: then its text is neither sent nor hashed."""
        try:
            return self.client.evalsha(sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            return self.client.eval(script, len(keys), *keys, *arguments)

    def length(self, client: "redis.Redis | None" = None) -> int:
        """Return how many batches are accepted and not yet stored. `client`: to ask by another."""
        return sum(int((client or self.client).xlen(stream)) for stream in self.streams)

    def is_empty(self) -> bool:
        """Return whether nothing waits, nor anything apart, by one round trip."""
        with self.client.pipeline(transaction=False) as pipeline:
            for stream in (*self.streams, *self.apart.streams):
                pipeline.xlen(stream)
            return not any(pipeline.execute())

    def late_length(self) -> int:
        """Return how many of them are beyond the share of their nodes."""
        return int(self.client.xlen(self.late_stream))

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
        """Return new entries for `consumer`, waiting up to `block_ms` (None: not at all).

        Up to `count`, and beside them a few late ones; late ones alone when there are no others.
        """
        rows = self._read(consumer, [self.stream], count=count)
        if rows:
            return rows + self._read(consumer, [self.late_stream], count=_LATE_ENTRIES)
        return self._read(consumer, self.streams, count=count, block_ms=block_ms)

    def _read(
        self, consumer: str, streams: Sequence[str], *, count: int, block_ms: int | None = None
    ) -> list[StreamEntry]:
        wanted: Any = dict.fromkeys(streams, ">")
        read = partial(self.client.xreadgroup, GROUP, consumer, wanted)
        answer: Any = self._with_group(partial(read, count=count, block=block_ms))
        return [row for stream, rows in answer or () for row in self._entries(stream, rows)]

    def claim(self, consumer: str, *, count: int, idle_ms: int) -> Iterator[list[StreamEntry]]:
        """Yield entries that another consumer took `idle_ms` ago and never acknowledged.

        Up to `count` at a time; an empty list where none of those looked at is idle. Claims no
        further than the caller iterates.
        """
        for stream in self.streams:
            cursor, is_done = b"0-0", False
            while not is_done:
                claim = partial(self.client.xautoclaim, stream, GROUP, consumer, idle_ms)
                cursor, claimed, *_ = self._with_group(partial(claim, start_id=cursor, count=count))
                is_done = cursor == b"0-0"
                yield self._entries(stream.encode(), claimed)

    def size_bytes(self) -> int:
        """Return how many bytes of batches are accepted and not yet stored."""
        counted: Any = self.client.get(self._bytes)
        return int(counted or 0)

    def oldest_s(self, client: "redis.Redis | None" = None) -> float | None:
        """Return how long the first entry waits; None when none does. `client`: as in `length`.

        What is left of one that waits apart is an entry of its own: its age is of its receipt.
        """
        firsts: Any = [(client or self.client).xrange(stream, count=1) for stream in self.streams]
        if self._is_apart:
            oldest = (
                _decode(fields[b"entry"]).received_at for ((_, fields),) in filter(None, firsts)
            )
            return max((max(0.0, epoch_s() - at) for at in oldest), default=None)
        return max((age_s(first[0][0]) for first in firsts if first), default=None)

    def acknowledge(self, rows: Iterable[StreamEntry]) -> None:
        """Delete stored entries, each in one step with its acknowledgement."""
        ordered = sorted(rows, key=_group_of)
        for n in range(0, len(ordered), _MAX_ACKNOWLEDGED):
            parts: list[Any] = []
            for (stream, node), group in groupby(ordered[n : n + _MAX_ACKNOWLEDGED], _group_of):
                members = list(group)
                sizes = [row.size_bytes for row in members]
                parts += (stream, node, len(members), sum(sizes), *(r.id for r in members), *sizes)
            keys = [*self.streams, self._bytes, self._bytes_by_node]
            self._run(_ACKNOWLEDGE, _ACKNOWLEDGE_SHA, keys, GROUP, *parts)

    def _with_group(self, call: Any) -> Any:
        try:
            return call()
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        # First use, or Redis lost the group: from 0, so that no waiting entry is skipped.
        for stream in self.streams:
            try:
                self.client.xgroup_create(stream, GROUP, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
        return call()

    def _entries(
        self, stream: bytes, rows: Iterable[tuple[bytes, dict[bytes, bytes] | None]]
    ) -> list[StreamEntry]:
        make = LateEntry if stream.decode() == self.late_stream else StreamEntry
        # XAUTOCLAIM of Redis 6 answers deleted entries with no fields.
        return [
            make(entry_id, _decode(fields[b"entry"]), len(fields[b"entry"]))
            for entry_id, fields in rows
            if fields
        ]


def _group_of(row: StreamEntry) -> tuple[int, str]:
    return 2 if isinstance(row, LateEntry) else 1, row.entry.node or ""


def age_s(entry_id: bytes) -> float:
    """Return how long ago Redis took an entry: its id begins with the milliseconds."""
    return max(0.0, epoch_s() - int(entry_id.partition(b"-")[0]) / 1_000)


EVENTS = Inbox("events")
SAMPLES = Inbox("samples")
