"""Quotas of all of WildDuck's users in turn, a page with each sample, so that each is as old as a
round is long. The fullest are in every sample beside this."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from agent import clock
from agent.errors import CollectError
from agent.parsers import wildduck
from agent.parsers.wildduck import User
from agent.samples import QuotaRotation
from agent.wire import AwareTime

# A name and two numbers take 25 bytes of a compressed sample. At five minutes a sample this is
# 7 200 users a day.
USERS_PER_PAGE = 25
FILE_NAME = "wildduck-quotas.json"

Source = Literal["mongodb", "api"]
#: (place, maximum) → the users after that place, and the next place, None after the last.
ReadPage = Callable[[str | None, int], tuple[list[User], str | None]]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Position of a round. `ended_at`: the end of the round before."""

    source: Source
    began_at: AwareTime
    ended_at: AwareTime | None = None
    after: str | None = None


class Rotation:
    """Round after round through all users. Used by one thread. The position is stored in `file`
    with the next page, so that a page that a killed agent did not send is read again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._position: Position | None = None

    def page(self, source: Source, read: ReadPage) -> QuotaRotation:
        """Return the next page. Raises CollectError; then the round starts again, because its place
        may have become invalid."""
        position = self._start_or_continue(source)
        try:
            users, after = read(position.after, USERS_PER_PAGE)
        except CollectError:
            self._position = Position(
                source=source, began_at=clock.utc_now(), ended_at=position.ended_at
            )
            raise
        began_at, ended_at = position.began_at, position.ended_at
        # The same place again would be an endless loop.
        if after is None or after == position.after or not users:
            ended_at = clock.utc_now()
            self._position = Position(source=source, began_at=ended_at, ended_at=ended_at)
        else:
            self._position = msgspec.structs.replace(position, after=after)
        return QuotaRotation(
            quotas=[wildduck.quota(user) for user in users],
            round_began_at=began_at,
            round_ended_at=ended_at,
        )

    def _start_or_continue(self, source: Source) -> Position:
        if self._position is None:
            self._position = self._load()
        else:
            self._save(self._position)
        if self._position is None or self._position.source != source:
            # Each source has its own places.
            self._position = Position(source=source, began_at=clock.utc_now())
        return self._position

    def _load(self) -> Position | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Position)
        except (OSError, msgspec.MsgspecError):
            return None  # no file, or no valid one

    def _save(self, position: Position) -> None:
        temporary = self._file.with_suffix(".new")
        with suppress(OSError):  # a full disk only makes the round start again
            temporary.write_bytes(msgspec.json.encode(position))
            temporary.replace(self._file)
