"""The search form for events, and the meaning of a text typed or pasted into it. Pure."""

import re
from typing import Any
from uuid import UUID

from django import forms

from server.events.columns import COLUMNS
from server.events.queries import FOUND_BY_ID
from server.events.vocabulary import DIRECTIONS, EVENT_TYPES
from server.http.client_address import is_ip, validate_no_zone

MAX_TEXT = 255
#: ZoneMTA's ids, and what Haraka calls a transaction: its connection's uuid and a number.
ZONEMTA_ID = re.compile(r"[0-9a-f]{16,20}(\.[0-9a-f]{3})?", re.IGNORECASE)
HARAKA_ID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}(\.\d+)*")
STATUS_CODE = re.compile(r"[2-5]\d\d")
DOMAIN = re.compile(r"[^\s@/]+\.[^\s@/.]{2,}")
#: Labels of the filters, in the order of the form.
LABELS = {
    "event_type": "type",
    "direction": "direction",
    "mta_node": "node",
    "to_domain": "to domain",
    "to_address": "to address",
    "from_domain": "from domain",
    "from_address": "from address",
    "queue_id": "queue id",
    "message_id": "message id",
    "status_code": "reply code",
    "bounce_type": "bounce type",
    "bounce_category": "bounce category",
    "mx_host": "remote server",
    "sending_ip": "sending IP",
    "zone": "zone",
    "certainty": "certainty",
}
#: Filters that are always in sight; the others are behind "more filters".
FIRST = ("event_type", "direction", "mta_node", "to_domain")
LOWERED = ("from_domain", "to_domain")
_CHARACTERS = {column.name: column.max_chars for column in COLUMNS}


def _choices(values: list[str]) -> list[tuple[str, str]]:
    return [("", "any"), *((value, value) for value in values)]


class SearchForm(forms.Form):
    """The filters of the page: values that must be equal. Names are those of the API's query."""

    use_required_attribute = False

    type = forms.ChoiceField(choices=_choices(list(EVENT_TYPES)), required=False)
    direction = forms.ChoiceField(choices=_choices(list(DIRECTIONS)), required=False)
    mta_node = forms.CharField(max_length=MAX_TEXT, required=False)
    to_domain = forms.CharField(max_length=MAX_TEXT, required=False)
    to_address = forms.CharField(max_length=MAX_TEXT, required=False)
    from_domain = forms.CharField(max_length=MAX_TEXT, required=False)
    from_address = forms.CharField(max_length=MAX_TEXT, required=False)
    queue_id = forms.CharField(max_length=MAX_TEXT, required=False)
    message_id = forms.CharField(max_length=MAX_TEXT, required=False)
    status_code = forms.IntegerField(min_value=200, max_value=599, required=False)
    bounce_type = forms.ChoiceField(choices=_choices(["hard", "soft"]), required=False)
    bounce_category = forms.CharField(max_length=MAX_TEXT, required=False)
    mx_host = forms.CharField(max_length=MAX_TEXT, required=False)
    sending_ip = forms.GenericIPAddressField(required=False, validators=[validate_no_zone])
    zone = forms.CharField(max_length=MAX_TEXT, required=False)
    certainty = forms.ChoiceField(choices=_choices(["reported", "inferred"]), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in LABELS.items():
            self.fields[param_name(name)].label = label

    def filters(self) -> dict[str, Any]:
        """Return the filters as events.queries takes them. The form must be valid."""
        values = {
            "event_type" if name == "type" else name: value
            for name, value in self.cleaned_data.items()
            if value not in {"", None}
        }
        for name in LOWERED:
            if name in values:
                values[name] = values[name].lower()  # as they are stored
        return {name: values[name] for name in LABELS if name in values}


def param_name(filter_name: str) -> str:
    """Return how the query string of the page and of the API calls a filter."""
    return "type" if filter_name == "event_type" else filter_name


def is_by_id(filters: dict[str, Any]) -> bool:
    """Return whether an index finds the few rows in any stretch of time, so that none is needed."""
    return any(name in filters for name in FOUND_BY_ID)


def interpret_text(text: str, *, nodes: frozenset[str] = frozenset()) -> tuple[str, str] | None:  # noqa: PLR0911
    """Return (parameter, value) for a text that was typed or pasted; None: it may be anything.

    ("event", id) names one event. An address is taken for the recipient's: of a sender there is
    usually more mail than one can read.
    """
    text = text.strip()
    if text in nodes:
        return "mta_node", text
    if text.startswith("<") and text.endswith(">") and "@" in text:
        return "message_id", text
    if is_ip(text):
        return "sending_ip", text
    if HARAKA_ID.fullmatch(text):
        return "queue_id", text
    if _is_uuid(text):
        return "event", text
    if ZONEMTA_ID.fullmatch(text):
        # A log line names the recipient's share of a message as id.seq.
        return "queue_id", text.partition(".")[0].lower()
    if STATUS_CODE.fullmatch(text):
        return "status_code", text
    if "@" in text:
        return "to_address", text
    if DOMAIN.fullmatch(text):
        return "to_domain", text.lower()
    return None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return "-" in text
