"""Conditions of destinations: those that refuse most of their mail. Pure."""

from collections.abc import Iterator

from server.alerts.conditions.condition import Condition, Reading, Subject, Values, warn
from server.alerts.snapshot import Snapshot
from server.formats import percent
from server.rollups.mail.failing_destinations import MIN_ATTEMPTS

#: Characters of a remote server's reply in a sentence.
MAX_REPLY_CHARS = 100


def read_destinations(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
    """Yield the percent of attempts each destination refuses, while it does so without a break."""
    if not snapshot.is_known("mail", ""):
        return
    for each in snapshot.destinations:
        subject = Subject("destination", each.domain)
        refused = each.deferred + each.bounced
        share = 100 * refused / each.attempts if each.since and each.attempts else 0.0
        verb = "bounces" if each.bounced > each.deferred else "defers"
        words = " ".join(each.words.split())[:MAX_REPLY_CHARS]
        text = f"{each.domain} {verb} {percent(refused, each.attempts)} of its mail"
        evidence = {
            "since": each.since.isoformat() if each.since else None,
            "attempts": each.attempts,
            "bounced": each.bounced,
            "deferred": each.deferred,
            "reply": words,
        }
        sentence = f"{text}: {words}" if words else text
        yield Reading(subject, share, sentence, evidence, each.attempts)


FAILING = Condition(
    "destination_failing", "destination", "mail",
    "A destination refuses most of what it is offered.", read_destinations, min_count=MIN_ATTEMPTS,
)  # fmt: skip
CONDITIONS = (FAILING,)
RULES = (warn("destination_failing", FAILING, for_="2 min", keep_firing_for="10 min"),)
