"""Facts the server adds to outcomes of outbound mail: whose server answered, and what. Pure."""

from typing import NamedTuple

from server.events.bounce_classes.classify import find_meaning
from server.events.providers import name_provider
from server.events.replies import fingerprint

#: The types whose reply has a class.
REFUSALS = frozenset({"bounced", "deferred", "rejected"})


class OutcomeFacts(NamedTuple):
    """The values of the columns of these names; None: not known, or not of this kind of event."""

    provider: str | None
    bounce_class: str | None
    reply_fingerprint: str | None


#: Their columns, one after the other.
FACTS = OutcomeFacts._fields
NO_FACTS = OutcomeFacts(None, None, None)


def has_facts(direction: str, event_type: str) -> bool:
    """Return whether an event has any facts: it is an outcome of outbound mail.

    What was `sent` has none: its MX is not known yet, and 8 000 domains of one operator's customers
    would each be an operator.
    """
    return direction == "outbound" and event_type != "sent"


def find_facts(
    *,
    direction: str,
    event_type: str,
    mx_host: str | None,
    to_domain: str | None,
    status_code: int | None,
    category: str | None,
    reply: str | None,
) -> OutcomeFacts:
    """Return the facts about an event. `reply`: what bounced, deferred or rejected it."""
    if not has_facts(direction, event_type):
        return NO_FACTS
    provider = name_provider(mx_host, to_domain)
    if event_type not in REFUSALS:
        return OutcomeFacts(provider, None, None)
    bounce_class = find_meaning(category, reply, code=status_code).bounce_class
    has_words = reply and not reply.isspace()
    return OutcomeFacts(provider, bounce_class, fingerprint(reply) if reply and has_words else None)
