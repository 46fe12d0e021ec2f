"""What every template may use."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return the time before which the demo's history is generated, None outside the demo."""
    return {"demo_history_until": demo_history_until()}


def demo_history_until() -> datetime | None:
    """Return DEMO_HISTORY_UNTIL as a time. Raise ValueError when it is none."""
    text = settings.DEMO_HISTORY_UNTIL
    return datetime.fromisoformat(text) if text else None
