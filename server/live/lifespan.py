"""Start and stop of the live process: it owns the pump."""

from typing import Any

from server.live import consumers
from server.live.pump import Pump


class Lifespan:
    """The ASGI lifespan application."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the pump between startup and shutdown."""
        pump = Pump()
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                pump.start()
                consumers.use_pump(pump)
                await send({"type": "lifespan.startup.complete"})
            else:
                await pump.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
