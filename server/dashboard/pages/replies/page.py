"""Headline and rows of the page of replies without a class. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import cast
from urllib.parse import urlencode

from server.events.bounce_classes.classes import BounceClass
from server.events.bounce_classes.zonemta import format_line
from server.events.reply_classes import Unclassified, UnclassifiedList
from server.formats import thousands
from server.rollups.reclassify import Refused

#: How many requests to reclassify are shown.
MAX_REQUESTS = 5


@dataclass(frozen=True)
class Row:
    """One text. `events`, `assign`: queries of the search for its events, and of the form that
    assigns a class."""

    reply: Unclassified
    events: str
    assign: str


def build_headline(found: UnclassifiedList) -> str:
    if not found.replies:
        return "No refusal without a class."
    refusals = "refusal" if found.of_count == 1 else "refusals"
    texts = "text" if found.texts_count == 1 else "texts"
    return (
        f"{thousands(found.of_count)} {refusals} without a class,"
        f" in {thousands(found.texts_count)} {texts}."
    )


def build_rows(found: UnclassifiedList, carried: Mapping[str, str]) -> list[Row]:
    return [
        Row(
            reply,
            urlencode({"reply_fingerprint": reply.fingerprint, **carried}),
            urlencode({"example": reply.reply[:500]}),
        )
        for reply in found.replies
    ]


def build_bounces_file(assigned: Iterable[tuple[str, str]]) -> str:
    """Return lines for ZoneMTA's bounces.txt, of texts with their assigned classes."""
    lines = [format_line(text, cast(BounceClass, name)) for text, name in assigned]
    return "".join(f"{line}\n" for line in lines)


def read_days(form: Mapping[str, str]) -> tuple[date, date]:
    """Return the days of a form. Raises Refused."""
    return _read_day(form, "first_day"), _read_day(form, "last_day")


def _read_day(form: Mapping[str, str], field: str) -> date:
    try:
        return date.fromisoformat(form.get(field, ""))
    except ValueError:
        raise Refused(field, "Write both days, such as 2026-11-21.") from None
