"""Backlog of this server: accepted batches that are not stored yet, and who should store them.

An app registers its reader, as it does its probes: the layers below it judge by this.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import redis

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backlog:
    """Batches that wait, by kind. `oldest_at`: since when the oldest does, None: none waits.

    `apart`: those of them that were refused, and are divided beside the others.
    `worker_at`: the last heartbeat of a worker, None: none ever came. `is_known`: Redis answered.
    """

    events: int = 0
    samples: int = 0
    apart: int = 0
    oldest_at: datetime | None = None
    worker_at: datetime | None = None
    is_known: bool = True

    @property
    def batches(self) -> int:
        return self.events + self.samples


NOTHING_WAITS = Backlog()
_readers: list[Callable[[], Backlog]] = []


def use_reader(reader: Callable[[], Backlog]) -> None:
    """Name the reader. It may raise redis.RedisError."""
    _readers[:] = [reader]


def read_backlog() -> Backlog:
    """Return the backlog of this moment; unknown where Redis does not answer."""
    try:
        return _readers[0]() if _readers else NOTHING_WAITS
    except redis.RedisError as error:
        logger.warning("What waits to be stored is not known: %s", error)
        return Backlog(is_known=False)
