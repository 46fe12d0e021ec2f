"""Mailbox events beside the mail that comes in and goes out: listed, in no total."""

from datetime import timedelta

import pytest

from server.events.vocabulary import ALL_DIRECTIONS, DIRECTIONS, MAILBOX
from server.rollups.mail.queries import hour_totals
from tests.factories import NOW, row, stored_events, write

QUERIES = (
    ("email/throughput", {}), ("email/stats", {"by": "destination"}),
    ("email/stats", {"by": "node"}), ("email/bounce-analysis", {}), ("email/performance", {}),
    ("email/sizes", {}),
)  # fmt: skip
MAIL = (("inbound", "received"), ("inbound", "delivered"), ("outbound", "delivered"))
HAPPENED = ("stored", "dropped", "forwarded", "autoreplied", "duplicate", "refused", "login")


@pytest.mark.django_db
def test_no_page_total_or_ratio_counts_what_happens_at_mailboxes(get_json):
    def read():
        pages = [
            get_json(path, direction=direction, range="1h", **query)
            for path, query in QUERIES
            for direction in DIRECTIONS
        ]
        return [*pages, get_json("email/inbound", range="1h"), hour_totals()]

    fields = {"occurred_at": NOW - timedelta(minutes=20), "account": "alice"}
    write(*[row(direction=direction, event_type=kind, **fields) for direction, kind in MAIL])
    before = read()
    assert before[-1].outbound["delivered"] == before[-1].inbound["received"] == 1

    happened = {"direction": MAILBOX, "certainty": "inferred"} | fields
    write(*[row(event_type=kind, **happened) for kind in HAPPENED])

    assert len(stored_events(direction=MAILBOX)) == len(HAPPENED)
    assert read() == before
    (stored,) = get_json("email/events", direction=MAILBOX, type="stored")["events"]
    assert stored["account"] == "alice"


def test_pages_are_of_two_directions():
    assert set(ALL_DIRECTIONS) - set(DIRECTIONS) == {MAILBOX}
