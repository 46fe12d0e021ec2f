"""Conditions of destinations that refuse most of their mail, and of providers that block. Pure."""

from collections.abc import Callable, Collection, Iterator

from server.alerts.conditions.blocked import find_block
from server.alerts.conditions.condition import Condition, Reading, Subject, Values, alarm, warn
from server.alerts.snapshot import Snapshot
from server.formats import percent, thousands
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
        block = find_block(snapshot, each.provider, each.sending_ip)
        evidence = {
            "since": each.since.isoformat() if each.since else None,
            "attempts": each.attempts,
            "bounced": each.bounced,
            "deferred": each.deferred,
            "reply": words,
            "provider": each.provider,
            "sending_ip": each.sending_ip,
        } | ({"block": block} if block else {})
        sentence = f"{text}: {words}" if words else text
        yield Reading(subject, share, sentence, evidence, each.attempts)


def _reader(kinds: Collection[str]) -> Callable[[Snapshot, Values], Iterator[Reading]]:
    def read(snapshot: Snapshot, values: Values) -> Iterator[Reading]:
        """Yield the refused messages of each open block of these kinds."""
        is_known = snapshot.is_known("mail", "")
        for block in snapshot.blocks:
            if block.kind not in kinds:
                continue
            whose = f"the mail of {block.subject}" if block.subject else "everybody's mail"
            words = " ".join(block.reply.split())[:MAX_REPLY_CHARS]
            text = f"{block.provider} refuses {whose}, {thousands(block.refused_count)} messages"
            evidence = {
                "block": block.pk,
                "since": block.started_at.isoformat(),
                "refused": block.refused_count,
                "taken": block.taken_count,
                "bounce_class": block.bounce_class,
                "reply": words,
            }
            subject = Subject("block", block.name)
            sentence = f"{text}: {words}" if words else text
            value = float(block.refused_count) if is_known else None
            yield Reading(subject, value, sentence, evidence)

    return read


FAILING = Condition(
    "destination_failing", "destination", "mail",
    "A destination refuses most of what it is offered.", read_destinations, min_count=MIN_ATTEMPTS,
)  # fmt: skip
BLOCKING = Condition(
    "provider_blocking", "block", "mail",
    "A provider has begun to refuse an IP of ours, or everybody's mail.",
    _reader(("ip", "provider")),
)  # fmt: skip
SENDER_REFUSED = Condition(
    "sender_refused", "block", "mail",
    "A provider has begun to refuse one account or one domain of ours.",
    _reader(("sender", "domain")),
)  # fmt: skip
CONDITIONS = (FAILING, BLOCKING, SENDER_REFUSED)
RULES = (
    warn("destination_failing", FAILING, for_="2 min", keep_firing_for="10 min"),
    # As long as it leads to bounces in the windows of other rules, which are hidden under it.
    alarm("provider_blocking", BLOCKING, keep_firing_for="15 min"),
    warn("sender_refused", SENDER_REFUSED),
)
