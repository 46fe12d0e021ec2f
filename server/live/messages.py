"""What the live process says to a browser, and the snapshot a page is first painted with.

Every number is an absolute total, never a difference: a lost frame heals with the next one.
"""

from datetime import datetime
from typing import Any

from django.utils import timezone

from server.live.counters import Seconds
from server.nodes.queries import Reporting, reporting
from server.rollups.mail.queries import HourTotals, hour_totals

#: The Channels message by which the pump reaches every consumer's `flow` method.
FLOW = "flow"
#: Seconds repeated in every tick, so that a lost frame or a late count is mended.
TAIL_S = 15


def totals_now() -> dict[str, Any]:
    """Ask the database for what counters and the state line show. At most three queries."""
    return totals(hour_totals(), reporting(), at=timezone.now())


def totals(hour: HourTotals, nodes: Reporting, *, at: datetime) -> dict[str, Any]:
    """Return the totals of one moment: events of the last 60 minutes, and who reports."""
    return {
        "at": at.isoformat(),
        "hour": {"inbound": hour.inbound, "outbound": hour.outbound, "inferred": hour.inferred},
        "nodes": {
            "known": nodes.known,
            "reporting": nodes.reporting,
            "heard_at": nodes.heard_at and nodes.heard_at.isoformat(),
            "silent": [
                {"name": name, "last_seen_at": seen_at and seen_at.isoformat()}
                for name, seen_at in nodes.silent
            ],
        },
    }


def frame(tick: int, totals: dict[str, Any], seconds: Seconds, *, kind: str) -> dict[str, Any]:
    """Return one frame. `kind`: `snapshot` (all seconds of the window) or `tick` (the last few)."""
    # Text keys: the channel layer's msgpack refuses numbers, and takes the consumer down with it.
    by_name = {str(second): counts for second, counts in seconds.items()}
    return {"type": kind, "tick": tick, **totals, "seconds": by_name}
