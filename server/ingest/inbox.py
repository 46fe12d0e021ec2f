"""The durable stream between door and writer, one per kind of batch, in Redis.

An entry is acknowledged and deleted in one step after its rows are committed, so the length of the
stream is what is not yet stored. Redis runs with AOF and `noeviction`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from time import time as epoch_s  # noqa: TID251 (compared with the clock of Redis)
from typing import Any, NamedTuple

import msgspec
import redis
from django.conf import settings

from server.ingest.errors import InboxFull, InboxUnavailable
from server.ingest.group_commit import Together

GROUP = "writers"
#: How long a wake-up counts as under way. A writer renews it while it works; should one die, the
#: next append after this time wakes another, and the sweeper does so without any append.
AWAKE_MS = 2_000
#: How often a writer that cannot keep up may call another to its side.
HELP_EVERY_MS = 5_000
_SOCKET_TIMEOUT_S = 5.0

#: Bytes of batches appended in one round trip: Redis does nothing else meanwhile.
_TOGETHER_MAX_BYTES = 1024 * 1024

# KEYS: stream, bytes, awake flag. ARGV: most entries, most bytes, awake ms, entries. Answers for
# each entry: 0 full, 1 appended, 2 appended and who brought it must wake a writer.
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

# KEYS: stream, bytes. ARGV: group, then id and size of each entry. An entry that two writers stored
# is taken off once; an empty stream has no bytes, whatever was counted.
_DONE = """
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

    node: str | None
    received_at: float  # seconds since the epoch, the server's clock
    count: int  # events or samples in it
    payload: bytes  # one line each: COPY lines of events, JSON of samples
    # A numbered batch: which numbers it carries, those of refused items included.
    epoch: str | None = None
    first_seq: int = 0
    refused: int = 0
    dropped: tuple[tuple[int, int], ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


class Waiting(NamedTuple):
    """An entry in the stream, and what it counts towards the bound."""

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
        self._help = f"{self.stream}:help"
        self._client: redis.Redis | None = None
        self._together = Together(self._append, most_bytes=_TOGETHER_MAX_BYTES)

    @property
    def client(self) -> "redis.Redis":
        """The connection pool, made when first needed."""
        if self._client is None:
            self._client = redis.Redis.from_url(
                settings.INBOX_REDIS_URL,
                socket_timeout=_SOCKET_TIMEOUT_S,
                socket_connect_timeout=_SOCKET_TIMEOUT_S,
            )
        return self._client

    def append(self, entry: Entry) -> bool:
        """Take `entry` durably; return whether a writer must be woken.

        Raises InboxFull or InboxUnavailable, and then has taken nothing for certain.
        """
        try:
            answer = self._together.ask(_encode(entry))
        except redis.RedisError as error:
            raise InboxUnavailable from error
        if not answer:
            raise InboxFull
        return answer == 2  # noqa: PLR2004 (see _APPEND)

    def _append(self, entries: Sequence[bytes]) -> list[int]:
        """Append encoded entries in one step; return what _APPEND answers."""
        bounds = [str(settings.INBOX_MAX_ENTRIES), str(settings.INBOX_MAX_BYTES), str(AWAKE_MS)]
        answers: list[int] = self.client.eval(
            _APPEND, 3, self.stream, self._bytes, self._awake, *bounds, *entries
        )
        return answers

    def length(self) -> int:
        """Return how many batches are accepted and not yet stored."""
        return int(self.client.xlen(self.stream))

    def claim_wake_up(self) -> bool:
        """Return whether the caller is the one to wake a writer now."""
        return bool(self.client.set(self._awake, "1", nx=True, px=AWAKE_MS))

    def keep_awake(self) -> None:
        """Say that a writer is at work."""
        self.client.set(self._awake, "1", px=AWAKE_MS)

    def fall_asleep(self) -> None:
        """Say that no writer is at work. Read once more afterwards, or an entry may be stranded."""
        self.client.delete(self._awake)

    def claim_help(self) -> bool:
        """Return whether the caller, who cannot keep up, is the one to wake another writer now."""
        return bool(self.client.set(self._help, "1", nx=True, px=HELP_EVERY_MS))

    def read(self, consumer: str, *, count: int, block_ms: int | None) -> list[Waiting]:
        """Return new entries for `consumer`, waiting up to `block_ms` (None: not at all)."""
        answer: Any = self._with_group(
            lambda: self.client.xreadgroup(
                GROUP, consumer, {self.stream: ">"}, count=count, block=block_ms
            )
        )
        return _entries(answer[0][1]) if answer else []

    def claim(self, consumer: str, *, count: int, idle_ms: int) -> Iterator[list[Waiting]]:
        """Yield entries that another consumer took `idle_ms` ago and never acknowledged.

        Up to `count` at a time, and none where there are none among those looked at. What is not
        asked for is not claimed.
        """
        place, looked_at_all = b"0-0", False
        while not looked_at_all:
            answer: Any = self._with_group(
                partial(self._autoclaim, consumer, place, count, idle_ms)
            )
            place, claimed = answer[0], answer[1]
            looked_at_all = place == b"0-0"
            yield _entries(claimed)

    def _autoclaim(self, consumer: str, place: bytes, count: int, idle_ms: int) -> Any:
        return self.client.xautoclaim(
            self.stream, GROUP, consumer, min_idle_time=idle_ms, start_id=place, count=count
        )

    def size_bytes(self) -> int:
        """Return how many bytes of batches are accepted and not yet stored."""
        counted: Any = self.client.get(self._bytes)
        return int(counted or 0)

    def oldest_s(self) -> float | None:
        """Return how long the oldest entry waits; None when none does."""
        first: Any = self.client.xrange(self.stream, count=1)
        return age_s(first[0][0]) if first else None

    def done(self, rows: Iterable[Waiting]) -> None:
        """Forget stored entries."""
        pairs = [part for row in rows for part in (row.id, str(row.size_bytes))]
        if pairs:
            self.client.eval(_DONE, 2, self.stream, self._bytes, GROUP, *pairs)

    def _with_group(self, call: Any) -> Any:
        try:
            return call()
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        # First use, or Redis lost the group: from 0, so that nothing waiting is passed over.
        try:
            self.client.xgroup_create(self.stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        return call()


def age_s(entry_id: bytes) -> float:
    """Return how long ago Redis took an entry: its id begins with the milliseconds."""
    return max(0.0, epoch_s() - int(entry_id.partition(b"-")[0]) / 1_000)


def _entries(rows: Iterable[tuple[bytes, dict[bytes, bytes] | None]]) -> list[Waiting]:
    # XAUTOCLAIM of Redis 6 answers deleted entries with no fields.
    return [
        Waiting(entry_id, _decode(fields[b"entry"]), len(fields[b"entry"]))
        for entry_id, fields in rows
        if fields
    ]


EVENTS = Inbox("events")
SAMPLES = Inbox("samples")
