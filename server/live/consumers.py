"""Sockets of the live pages. After connect they do no work of their own: the pump does it once."""

import json
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from server.accounts.roles import role_of
from server.live.pump import GROUP, Pump, open_sockets

#: No message of a page is longer.
MAX_MESSAGE_CHARS = 1_000
NOT_LOGGED_IN = 4401
NOT_READY = 4503
_pumps: list[Pump] = []


def use_pump(pump: Pump) -> None:
    """Name the pump of this process. Called once, by its lifespan."""
    _pumps[:] = [pump]


class FlowConsumer(AsyncJsonWebsocketConsumer):
    """Live counters of the mail flow, for people with a role."""

    async def connect(self) -> None:
        """Join, then send the snapshot, so that nothing falls between."""
        await self.accept()
        user = self.scope["user"]
        if await database_sync_to_async(role_of)(user) is None:
            await self.close(NOT_LOGGED_IN)
            return
        await self.channel_layer.group_add(GROUP, self.channel_name)
        open_sockets.add(self.channel_name)
        await self._send_snapshot()

    async def disconnect(self, code: int) -> None:
        open_sockets.discard(self.channel_name)
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Send a snapshot to a page that missed a tick. Anything else is ignored."""
        if text_data and _kind(text_data) == "snapshot":
            await self._send_snapshot()

    async def flow(self, event: dict[str, Any]) -> None:
        await self.send_json(event["frame"])

    async def _send_snapshot(self) -> None:
        try:
            await self.send_json(await _pumps[0].snapshot())
        except (TimeoutError, IndexError):
            await self.close(NOT_READY)


def _kind(text: str) -> Any:
    """Return the type a message from a browser names; None for what is no message of ours."""
    if len(text) > MAX_MESSAGE_CHARS:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content.get("type") if isinstance(content, dict) else None
