"""The pump of a live process: adds up published counts, sends every socket one frame a tick."""

import asyncio
import json
import logging
import os
from math import inf
from time import monotonic
from typing import Any

import redis.asyncio as aioredis
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import timezone
from redis.exceptions import RedisError

from server.alerts.present.problems import Facts, read_facts
from server.live import counters, messages, metrics
from server.live.counters import Seconds
from server.observability import beats
from server.observability.beats import Task

logger = logging.getLogger(__name__)

#: Sockets of this process only: each live process has its own pump.
GROUP = f"flow.{os.getpid()}"
#: With nothing new the pump still ticks this often, so that a page knows it is connected.
HEARTBEAT_S = 1.0
_SOCKETS_KEY = f"{metrics.SOCKETS}{os.uname().nodename}-{os.getpid()}"
#: The sockets of this process that get the frames, by channel name.
open_sockets: set[str] = set()
RETRY_S, MAX_RETRY_S = 0.5, 30.0
#: Facts take more queries than totals, and change more slowly.
FACTS_EVERY_S = 5.0
#: How long the pump listens before it listens again.
LISTEN_S = 5.0


class Pump:
    """Follows the writers and broadcasts. `start` and `stop` belong to the process's lifespan."""

    def __init__(self) -> None:
        self.tick = 0
        self._seconds: Seconds = {}
        self._totals: dict[str, Any] = {}
        self._facts: Facts | None = None
        self._facts_at = -inf
        self._changed: set[int] = set()
        self._refreshed: set[int] = set()
        self._dirty = asyncio.Event()
        self._ready = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._listening = Task("live-listen", LISTEN_S)
        self._broadcasting = Task("live-broadcast", HEARTBEAT_S)

    def start(self) -> None:
        """Begin to listen and to tick. Call inside the event loop."""
        self._tasks = [
            asyncio.create_task(self._forever(self._listen, self._listening)),
            asyncio.create_task(self._forever(self._broadcast, self._broadcasting)),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def snapshot(self, *, timeout_s: float = 5.0) -> dict[str, Any]:
        """Return all a page shows. Raises TimeoutError while there is nothing to show yet."""
        await asyncio.wait_for(self._ready.wait(), timeout_s)
        return messages.frame(self.tick, self._totals, self._window(), kind="snapshot")

    async def _forever(self, work: Any, task: Task) -> None:
        """Run `work` again whatever ends it, later after each failure that follows another soon."""
        wait_s = RETRY_S
        while True:
            started = monotonic()
            try:
                await work()
            except (RedisError, DatabaseError, InterfaceError, OSError) as error:
                logger.warning("The live pump cannot read, trying again: %s", error)
                task.failed(error)
            except Exception as error:
                logger.exception("%s failed; restarting it", task.name)
                task.failed(error)
            wait_s = (
                RETRY_S if monotonic() - started > MAX_RETRY_S else min(2 * wait_s, MAX_RETRY_S)
            )
            await asyncio.sleep(wait_s)

    async def _listen(self) -> None:
        """Note which seconds changed. After a (new) subscription all of them may have."""
        async with _redis() as client, client.pubsub() as pubsub:
            await pubsub.subscribe(counters.CHANNEL)
            self._note(counters.window(_now_s()))
            while True:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=LISTEN_S)
                self._listening.done()
                if message:
                    self._note(json.loads(message["data"]))

    def _note(self, seconds: Any) -> None:
        self._changed.update(seconds)
        self._dirty.set()

    async def _broadcast(self) -> None:
        """Tick: at most every LIVE_TICK_MS, at least every HEARTBEAT_S."""
        layer: Any = get_channel_layer()
        async with _redis() as client:
            while True:
                started = monotonic()
                await self._refresh(client)
                self.tick += 1
                frame = messages.frame(self.tick, self._totals, self._tail(), kind="tick")
                await layer.group_send(GROUP, {"type": messages.FLOW, "frame": frame})
                self._broadcasting.done()
                await self._wait_for_news(started)

    async def _wait_for_news(self, started: float) -> None:
        elapsed = monotonic() - started
        await asyncio.sleep(max(0.0, settings.LIVE_TICK_MS / 1000 - elapsed))
        try:
            await asyncio.wait_for(self._dirty.wait(), HEARTBEAT_S)
        except TimeoutError:
            return

    async def _refresh(self, client: Any) -> None:
        """Read absolute counts of the changed seconds, and the totals."""
        self._dirty.clear()
        changed, self._changed = sorted(self._changed), set()
        try:
            async with client.pipeline(transaction=False) as pipe:
                for second in changed:
                    pipe.hgetall(counters.second_key(second))
                pipe.hset(
                    beats.KEY,
                    mapping=self._listening.as_entry() | self._broadcasting.as_entry(),
                )
                pipe.set(_SOCKETS_KEY, len(open_sockets), ex=metrics.SOCKETS_EXPIRE_S)
                answers = (await pipe.execute())[: len(changed)]
            if monotonic() - self._facts_at > FACTS_EVERY_S:
                self._facts = await database_sync_to_async(read_facts)(timezone.now())
                self._facts_at = monotonic()
            totals = await database_sync_to_async(messages.read_totals)(self._facts)
            self._totals = totals.as_json()
        except BaseException:
            self._changed.update(changed)
            raise
        for second, counts in zip(changed, answers, strict=True):
            self._seconds[second] = {name.decode(): int(n) for name, n in counts.items()}
        self._seconds = self._window()
        self._refreshed = set(changed)
        self._ready.set()

    def _tail(self) -> Seconds:
        """The last seconds, and those that changed however late."""
        last = range(_now_s() - messages.TAIL_S, _now_s() + 1)
        return counters.trim(self._seconds, sorted({*last, *self._refreshed}))

    def _window(self) -> Seconds:
        return counters.trim(self._seconds, counters.window(_now_s() + 1))


def _redis() -> Any:
    return aioredis.Redis.from_url(
        settings.LIVE_REDIS_URL, socket_timeout=10.0, socket_connect_timeout=5.0
    )


def _now_s() -> int:
    return int(timezone.now().timestamp())
