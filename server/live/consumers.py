"""Sockets of the live pages. After connect they do no work of their own: the pump does it once."""

import json
from collections import Counter
from math import inf
from time import monotonic
from typing import Any

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, InterfaceError

from server.accounts.roles import role_of
from server.live.pump import GROUP, Pump, open_sockets

#: No message of a page is longer.
MAX_MESSAGE_CHARS = 1_000
NOT_LOGGED_IN = 4401
TOO_MANY = 4429
NOT_READY = 4503
#: Sockets of one person at one live process: more tabs than anybody reads.
MAX_SOCKETS_OF_USER = 20
#: How soon a socket is closed whose session ended, or whose account was switched off or lost its
#: role.
CHECK_EVERY_S = 30.0
_sockets_of_user: Counter[int] = Counter()
_pumps: list[Pump] = []


def use_pump(pump: Pump) -> None:
    """Name the pump of this process. Called once, by its lifespan."""
    _pumps[:] = [pump]


class FlowConsumer(AsyncJsonWebsocketConsumer):
    """Live counters of the mail flow, for people with a role."""

    _check_at = inf
    _is_counted = False
    _close_code: int | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Close at the end where a frame found a reason: Granian 2.8 sends no close, and closes
        nothing, while the next message of the page is waited for."""
        await super().__call__(scope, receive, send)
        if self._close_code is not None:
            await send({"type": "websocket.close", "code": self._close_code})

    async def connect(self) -> None:
        """Join, then send the snapshot, so that nothing falls between."""
        await self.accept()
        user: Any = self.scope["user"]
        try:
            role = await database_sync_to_async(role_of)(user)
        except (DatabaseError, InterfaceError):
            await self.close(NOT_READY)
            return
        if role is None:
            await self.close(NOT_LOGGED_IN)
            return
        if _sockets_of_user[user.pk] >= MAX_SOCKETS_OF_USER:
            await self.close(TOO_MANY)
            return
        _sockets_of_user[user.pk] += 1
        self._user_id, self._is_counted = user.pk, True
        self._check_at = monotonic() + CHECK_EVERY_S
        await self.channel_layer.group_add(GROUP, self.channel_name)
        open_sockets.add(self.channel_name)
        await self._send_snapshot()

    async def disconnect(self, code: int) -> None:
        if self._is_counted:
            self._is_counted = False
            _sockets_of_user[self._user_id] -= 1
        open_sockets.discard(self.channel_name)
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Send a snapshot to a page that missed a tick. Anything else is ignored."""
        if text_data and _kind(text_data) == "snapshot":
            await self._send_snapshot()

    async def flow(self, event: dict[str, Any]) -> None:
        """Send a frame, as long as its reader may see it."""
        if monotonic() >= self._check_at:
            self._check_at = monotonic() + CHECK_EVERY_S
            if not await database_sync_to_async(_may_stay)(
                self.scope["user"], self.scope["session"].session_key
            ):
                await self.disconnect(NOT_LOGGED_IN)
                self._close_code = NOT_LOGGED_IN
                raise StopConsumer
        await self.send_json(event["frame"])

    async def _send_snapshot(self) -> None:
        try:
            await self.send_json(await _pumps[0].snapshot())
        except (TimeoutError, IndexError):
            await self.close(NOT_READY)


def _may_stay(user: Any, session_key: str | None) -> bool:
    """Return whether the session goes on, and the account still has a role and its password; yes
    without a database."""
    try:
        if SESSION_KEY not in SessionStore(session_key).load():
            return False
        now = get_user_model().objects.filter(pk=user.pk).first()
        return role_of(now) is not None and now is not None and now.password == user.password
    except (DatabaseError, InterfaceError):
        return True


def _kind(text: str) -> Any:
    """Return the type a message from a browser names; None for what is no message of ours."""
    if len(text) > MAX_MESSAGE_CHARS:
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content.get("type") if isinstance(content, dict) else None
