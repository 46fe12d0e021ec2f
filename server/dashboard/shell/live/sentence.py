"""The sentence of a page as HTML: times and ages that the script keeps current."""

from datetime import datetime
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from server.alerts.present.sentence import Age, Part, Sentence
from server.live.messages import Totals


def painted_sentence(totals: Totals) -> dict[str, Any]:
    """Return level and HTML of the sentence. What others wrote is escaped."""
    sentence: Sentence = totals.sentence
    html = format_html_join("", "{}", ((_html(part, totals.at),) for part in sentence.parts))
    return {"level": sentence.level, "html": html}


def _html(part: Part, now: datetime) -> str | SafeString:
    if isinstance(part, str):
        return part
    at = part.since if isinstance(part, Age) else part.at
    text = Sentence("", (part,)).text(now)
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), text)
