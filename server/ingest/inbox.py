"""The durable stream between door and writer, one per kind of batch, in Redis.

An entry is acknowledged and deleted in one step after its rows are committed, so the length of the
stream is what is not yet stored. Redis runs with AOF and `noeviction`.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import redis
from django.conf import settings

from server.ingest.errors import InboxFull, InboxUnavailable

GROUP = "writers"
#: How long a wake-up counts as under way. A writer renews it while it works; should one die, the
#: next append after this time wakes another, and the sweeper does so without any append.
AWAKE_MS = 2_000
_SOCKET_TIMEOUT_S = 5.0

# KEYS: stream, awake flag. ARGV: bound, awake ms, entry. Answers 0 full, 1 appended, 2 appended and
# the caller must wake a writer.
_APPEND = """
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('XADD', KEYS[1], '*', 'entry', ARGV[3])
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then return 2 end
return 1
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


class Inbox:
    """A bounded Redis stream with one consumer group. Safe to use from many threads."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.stream = f"mallard:inbox:{kind}"
        self._awake = f"{self.stream}:awake"
        self._client: redis.Redis | None = None

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
            answer = self.client.eval(
                _APPEND,
                2,
                self.stream,
                self._awake,
                str(settings.INBOX_MAX_ENTRIES),
                str(AWAKE_MS),
                _encode(entry),
            )
        except redis.RedisError as error:
            raise InboxUnavailable from error
        if not answer:
            raise InboxFull
        return bool(answer == 2)  # noqa: PLR2004 (see _APPEND)

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

    def read(self, consumer: str, *, count: int, block_ms: int | None) -> list[tuple[bytes, Entry]]:
        """Return new entries for `consumer`, waiting up to `block_ms` (None: not at all)."""
        answer: Any = self._with_group(
            lambda: self.client.xreadgroup(
                GROUP, consumer, {self.stream: ">"}, count=count, block=block_ms
            )
        )
        return _entries(answer[0][1]) if answer else []

    def claim(self, consumer: str, *, count: int, idle_ms: int) -> list[tuple[bytes, Entry]]:
        """Return entries that another consumer took `idle_ms` ago and never acknowledged."""
        answer: Any = self._with_group(
            lambda: self.client.xautoclaim(
                self.stream, GROUP, consumer, min_idle_time=idle_ms, count=count
            )
        )
        return _entries(answer[1])

    def done(self, ids: Iterable[bytes]) -> None:
        """Forget stored entries."""
        wanted = list(ids)
        if wanted:
            with self.client.pipeline(transaction=True) as pipe:
                pipe.xack(self.stream, GROUP, *wanted)
                pipe.xdel(self.stream, *wanted)
                pipe.execute()

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


def _entries(rows: Iterable[tuple[bytes, dict[bytes, bytes] | None]]) -> list[tuple[bytes, Entry]]:
    # XAUTOCLAIM of Redis 6 answers deleted entries with no fields.
    return [(entry_id, _decode(fields[b"entry"])) for entry_id, fields in rows if fields]


EVENTS = Inbox("events")
SAMPLES = Inbox("samples")
