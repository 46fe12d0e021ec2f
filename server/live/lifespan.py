"""Start and stop of the live process: it owns the pump."""

from typing import Any

from server.live import consumers
from server.live.pump import Pump


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI lifespan application: run the pump between startup and shutdown."""
    pump = Pump()
    await receive()  # lifespan.startup
    pump.start()
    consumers.use_pump(pump)
    await send({"type": "lifespan.startup.complete"})
    await receive()  # lifespan.shutdown
    await pump.stop()
    await send({"type": "lifespan.shutdown.complete"})
