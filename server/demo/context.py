"""Context of the demo's banner, for templates."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def history(request: HttpRequest) -> dict[str, Any]:
    """Return the time before which history is generated, None without any."""
    text = settings.DEMO_HISTORY_UNTIL
    return {"demo_history_until": datetime.fromisoformat(text) if text else None}
