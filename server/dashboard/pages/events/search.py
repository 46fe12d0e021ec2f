"""The search form for events, and the meaning of a text typed or pasted into it. Pure."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from django import forms

from server.events import search_values
from server.events.bounce_classes.classes import CLASSES
from server.events.queries import DOMAINS, FOUND_BY_ID
from server.events.vocabulary import (
    ALL_DIRECTIONS,
    BOUNCE_TYPES,
    CERTAINTIES,
    EVENT_TYPES,
    FAILURES,
    ORIGINS,
)
from server.http.client_address import is_ip, validate_no_zone
from server.trace.identifiers import HARAKA_ID, ZONEMTA_ID

MAX_TEXT = 255
STATUS_CODE = re.compile(r"[2-5](\d\d(-[2-5]\d\d)?|xx)", re.IGNORECASE)
#: The dots are those of names in U-labels too.
DOMAIN = re.compile("[^\\s@/]+[.\u3002\uff0e\uff61][^\\s@/.\u3002\uff0e\uff61]{2,}")
#: The list of types that people look for most.
NOT_DELIVERED = ",".join(sorted(FAILURES))
SHORT_NAMES = {NOT_DELIVERED: "not delivered"}
#: Fields that are always in sight; the others are behind "more filters".
FIRST = ("type", "direction", "mta_node", "to_domain")


def _choice(
    label: str, values: tuple[str, ...], more: Mapping[str, str] | None = None
) -> forms.ChoiceField:
    choices = [("", "any"), *(more or {}).items(), *((value, value) for value in values)]
    return forms.ChoiceField(choices=choices, required=False, label=label)


def _text(
    label: str, example: str = "", check: Callable[[str], object] | None = None
) -> forms.CharField:
    """Return a field of text; `check` raises ValueError of what it does not take."""

    def validate(text: str) -> None:
        try:
            (check or str)(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    return forms.CharField(
        max_length=MAX_TEXT, required=False, label=label, help_text=example, validators=[validate]
    )


class SearchForm(forms.Form):
    """The filters of the page: values that must be equal, of addresses and domains in any case;
    lists, ranges, wildcards and words where a field has an example. Names are those of the API."""

    use_required_attribute = False

    type = _choice("type", EVENT_TYPES, SHORT_NAMES)
    direction = _choice("direction", ALL_DIRECTIONS)
    mta_node = _text("node", "one or more, with commas", search_values.check_nodes)
    to_domain = _text("to domain", "or *.example.com", search_values.check_domain)
    to_address = _text("to address")
    from_domain = _text("from domain", "or *.example.com", search_values.check_domain)
    from_address = _text("from address")
    queue_id = _text("queue id")
    message_id = _text("message id")
    status_code = _text("reply code", "451, 450-459, 4xx", search_values.check_codes)
    reply = _text("words of the reply", "of mail that did not go on", search_values.check_words)
    bounce_type = _choice("bounce type", BOUNCE_TYPES)
    bounce_category = _text("bounce category")
    mx_host = _text("remote server")
    sending_ip = forms.GenericIPAddressField(
        required=False, validators=[validate_no_zone], label="sending IP"
    )
    zone = _text("zone")
    certainty = _choice("certainty", CERTAINTIES)
    provider = _text("provider")
    bounce_class = _choice("class of the reply", tuple(CLASSES))
    reply_fingerprint = _text("fingerprint of the reply")
    auth_user = _text("submitted by")
    account = _text("account")
    origin = _choice("origin", ORIGINS)
    parent_id = _text("caused by")
    wildduck_id = _text("WildDuck's id")
    caused_queue_id = _text("caused mail")

    def __init__(self, data: Mapping[str, str]) -> None:
        """Offer the list of types that an address names beside the types themselves."""
        super().__init__(data)
        listed = data.get("type", "")
        if "," in listed and listed != NOT_DELIVERED:
            with suppress(ValueError):
                search_values.check_types(listed)
                more = SHORT_NAMES | {listed: listed}
                self.fields["type"] = _choice("type", EVENT_TYPES, more)

    def filters(self) -> dict[str, Any]:
        """Return the filters as events.queries takes them. The form must be valid."""
        return {
            "event_type" if name == "type" else name: value.lower() if name in DOMAINS else value
            for name, value in self.cleaned_data.items()
            if value not in {"", None}
        }


def param_name(filter_name: str) -> str:
    """Return how the query string of the page and of the API calls a filter."""
    return "type" if filter_name == "event_type" else filter_name


#: The labels of the filters.
LABELS = {
    "event_type" if name == "type" else name: str(field.label)
    for name, field in SearchForm.base_fields.items()
}


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
